// Convolution one output a thread, for groups of few channels: depthwise above all, where a product's
// tile of 64 rows would have one. Also the plain twin of conv.cu for any shape.
//   conv2d_direct_*, conv2d_direct_backward_input_*, conv2d_direct_backward_weight_*
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "conv_shape.cuh"
#include "kernel_common.cuh"

// y[n, k, p, q] = bias[k] + sum_{c, r, s} x[n, c, p sh - ph + r dh, q sw - pw + s dw] w[k, c, r, s]
//   x, w, y dense, y no overlap; bias (o) or null; relu clips at 0. NaN goes through.
//   2 c_group kh kw flops an output. Neighbouring threads read neighbouring pixels, and the taps of a
//   window meet in L1: depthwise 3 x 3 is bound by (sizeof(x) + sizeof(y)) bytes of memory.
//   launch: block 256; grid = min(ceil(outputs / 256), 32 x SMs). outputs < 2^31.
//   error: as conv2d.
template <class T>
__device__ void conv2d_direct(const T* __restrict__ x, const T* __restrict__ w,
                              const T* __restrict__ bias, T* __restrict__ y, int relu,
                              const Conv& s) {
    const FastDivide plane(s.out_plane()), ow(s.ow), o(s.o);
    const long long outputs = static_cast<long long>(s.images) * s.o * s.out_plane();
    for (long long at = GRID_START; at < outputs; at += GRID_STEP) {
        int pq, q, k;
        const int which = plane.split(static_cast<int>(at), pq);
        const int p = ow.split(pq, q);
        const long long image = o.split(which, k);
        const T* from = x + (image * s.c + k / s.o_group() * s.c_group()) * s.in_plane();
        const T* weight = w + static_cast<long long>(k) * s.c_group() * s.taps();
        T sum = 0;
        for (int c = 0; c < s.c_group(); ++c, from += s.in_plane()) {
            for (int r = 0; r < s.kh; ++r) {
                const int i = p * s.sh - s.ph + r * s.dh;
                for (int t = 0; t < s.kw; ++t, ++weight) {
                    const int j = q * s.sw - s.pw + t * s.dw;
                    if (i < 0 || i >= s.h || j < 0 || j >= s.w) continue;
                    sum += from[static_cast<long long>(i) * s.w + j] * *weight;
                }
            }
        }
        if (bias) sum += bias[k];
        y[at] = relu ? relu_of(sum) : sum;
    }
}

// gx[n, c, i, j] = sum over k, r, s with p sh = i + ph - r dh, q sw = j + pw - s dw of
//                  gy[n, k, p, q] w[k, c, r, s]
//   Gather form: every element written once, in a fixed order of sums. gx no overlap.
//   launch: block 256; grid = min(ceil(inputs / 256), 32 x SMs). inputs < 2^31.
//   error: as conv2d_backward_input.
template <class T>
__device__ void conv2d_direct_backward_input(const T* __restrict__ gy, const T* __restrict__ w,
                                             T* __restrict__ gx, const Conv& s) {
    const FastDivide plane(s.in_plane()), width(s.w), channels(s.c), c_group(s.c_group());
    const FastDivide sh(s.sh), sw(s.sw);
    const long long inputs = static_cast<long long>(s.images) * s.c * s.in_plane();
    for (long long at = GRID_START; at < inputs; at += GRID_STEP) {
        int place, column, channel, c;
        const int which = plane.split(static_cast<int>(at), place);
        const int row = width.split(place, column);
        const long long image = channels.split(which, channel);
        const int first = c_group.split(channel, c) * s.o_group();
        T sum = 0;
        for (int k = first; k < first + s.o_group(); ++k) {
            const T* from = gy + (image * s.o + k) * s.out_plane();
            const T* weight = w + (static_cast<long long>(k) * s.c_group() + c) * s.taps();
            for (int r = 0; r < s.kh; ++r) {
                const int i = row + s.ph - r * s.dh;
                for (int t = 0; t < s.kw; ++t) {
                    const int j = column + s.pw - t * s.dw;
                    if (i < 0 || j < 0) continue;
                    int rest_p, rest_q;
                    const int p = sh.split(i, rest_p), q = sw.split(j, rest_q);
                    if (rest_p || rest_q || p >= s.oh || q >= s.ow) continue;
                    sum += from[static_cast<long long>(p) * s.ow + q] * weight[r * s.kw + t];
                }
            }
        }
        gx[at] = sum;
    }
}

// gw[k, c, r, s] = sum_{n, p, q} gy[n, k, p, q] x[n, c, p sh - ph + r dh, q sw - pw + s dw]
//   One block a weight: 256 partial sums over pixels, then a tree of fixed order in shared memory.
//   Reads gy and a channel of x once a tap: from L2 for all taps but the first.
//   launch: block 256; grid = o c_group kh kw. images * oh * ow < 2^31. shared: 256 sizeof(T).
//   error: as conv2d_backward_weight.
template <class T>
__device__ void conv2d_direct_backward_weight(const T* __restrict__ x, const T* __restrict__ gy,
                                              T* __restrict__ gw, const Conv& s) {
    SHARED(T, part, [256]);
    const FastDivide plane(s.out_plane()), ow(s.ow);
    const int weight = static_cast<int>(blockIdx.x), tid = static_cast<int>(threadIdx.x);
    const int tap = weight % s.taps(), r = tap / s.kw * s.dh - s.ph, t = tap % s.kw * s.dw - s.pw;
    const int c = weight / s.taps() % s.c_group(), k = weight / s.taps() / s.c_group();
    const long long channel = static_cast<long long>(k / s.o_group()) * s.c_group() + c;
    const int pixels = s.images * s.out_plane();
    T sum = 0;
    for (int at = tid; at < pixels; at += 256) {
        int pq, q;
        const long long image = plane.split(at, pq);
        const int i = ow.split(pq, q) * s.sh + r, j = q * s.sw + t;
        if (i < 0 || i >= s.h || j < 0 || j >= s.w) continue;
        sum += gy[(image * s.o + k) * s.out_plane() + pq] *
               x[(image * s.c + channel) * s.in_plane() + static_cast<long long>(i) * s.w + j];
    }
    part[tid] = sum;
    for (int half = 128; half > 0; half /= 2) {
        __syncthreads();  // the sums of the round before are written
        if (tid < half) part[tid] += part[tid + half];
    }
    if (tid == 0) gw[weight] = part[0];
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_direct_f32(const float* __restrict__ x, const float* __restrict__ weight,
                      const float* __restrict__ bias, float* __restrict__ y, int relu,
                      CONV_PARAMS) {
    conv2d_direct(x, weight, bias, y, relu, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_direct_f64(const double* __restrict__ x, const double* __restrict__ weight,
                      const double* __restrict__ bias, double* __restrict__ y, int relu,
                      CONV_PARAMS) {
    conv2d_direct(x, weight, bias, y, relu, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_direct_backward_input_f32(const float* __restrict__ gy, const float* __restrict__ weight,
                                     float* __restrict__ gx, CONV_PARAMS) {
    conv2d_direct_backward_input(gy, weight, gx, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_direct_backward_input_f64(const double* __restrict__ gy,
                                     const double* __restrict__ weight, double* __restrict__ gx,
                                     CONV_PARAMS) {
    conv2d_direct_backward_input(gy, weight, gx, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_direct_backward_weight_f32(const float* __restrict__ x, const float* __restrict__ gy,
                                      float* __restrict__ gw, CONV_PARAMS) {
    conv2d_direct_backward_weight(x, gy, gw, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_direct_backward_weight_f64(const double* __restrict__ x, const double* __restrict__ gy,
                                      double* __restrict__ gw, CONV_PARAMS) {
    conv2d_direct_backward_weight(x, gy, gw, Conv{CONV_ARGS});
}
