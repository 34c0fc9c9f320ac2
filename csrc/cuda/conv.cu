// Convolution as an implicit matrix product: the columns of patches are read where they lie in the
// image, never written out.
//   conv2d_*_t64, _t128                 y  = x * w + bias, relu
//   conv2d_backward_input_*_t64, _t128  gx, in gather form: every element written once, no atomics
//   conv2d_backward_weight_*_t64        gw, the sum over images and pixels split over blocks
// Each also as *_tf32_t128, *_bf16_t128 and *_f16_t128: float on tensor cores, rounded (mma.cuh);
// errors there are (2 u + u^2 + 2 n 2^-23) of the terms' magnitudes, n terms, u = 2^-11 (TF32; F16, of
// factors from 2^-14 to 65504), 2^-8 (BF16).
// For groups of few channels (depthwise) conv_direct.cu is better. Tiles: gemm_tile.cuh.
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "conv_shape.cuh"
#include "gemm_tile.cuh"
#include "kernel_common.cuh"
#include "mma.cuh"

// Which tile of which group a block computes: rows fastest, so that neighbours share patches in L2.
template <class How>
struct ConvBlock {
    int m0, n0, group, split;

    __device__ ConvBlock(int m, int n, int groups) {
        const int tiles_m = (m + How::kM - 1) / How::kM, tiles_n = (n + How::kN - 1) / How::kN;
        int block = static_cast<int>(blockIdx.x);
        m0 = block % tiles_m * How::kM;
        block /= tiles_m;
        n0 = block % tiles_n * How::kN;
        block /= tiles_n;
        group = block % groups;
        split = block / groups;
    }
};

// ---- y = x * w ----

template <class T>
struct Weights {  // row o: its c_group * kh * kw weights, dense
    using Line = const T*;
    static constexpr bool along_k = true;
    const T* w;
    int rows, length;

    __device__ Line line(int row) const {
        return row < rows ? w + static_cast<long long>(row) * length : nullptr;
    }
    __device__ T at(Line line, int k) const { return line ? line[k] : T(0); }
};

template <class T>
struct Patches {  // line: an output pixel of an image; k = (channel, r, s): the input that it reads
    struct Line {
        const T* x;
        int row, column;
    };
    static constexpr bool along_k = false;
    const T* x;  // the group's first channel
    Conv s;
    FastDivide plane, ow, taps, kw;

    __device__ Patches(const T* group, const Conv& shape)
        : x(group),
          s(shape),
          plane(shape.out_plane()),
          ow(shape.ow),
          taps(shape.taps()),
          kw(shape.kw) {}
    __device__ Line line(int pixel) const {
        int pq, q;
        const long long image = plane.split(pixel, pq);
        if (image >= s.images) return {nullptr, 0, 0};
        const int p = ow.split(pq, q);
        return {x + image * s.c * s.in_plane(), p * s.sh - s.ph, q * s.sw - s.pw};
    }
    __device__ T at(const Line& line, int k) const {
        int tap, column;
        const long long channel = taps.split(k, tap);
        const int i = line.row + kw.split(tap, column) * s.dh, j = line.column + column * s.dw;
        const bool inside = line.x && i >= 0 && i < s.h && j >= 0 && j < s.w;
        return inside ? line.x[channel * s.in_plane() + static_cast<long long>(i) * s.w + j] : T(0);
    }
};

template <class T>
struct Images {     // rows: channels of a group; columns: pixels (image, pixel of the plane)
    T* y;           // the group's first channel
    const T* bias;  // of the group, or null
    int rows, images, channels, plane;
    bool relu;
    FastDivide by_plane;

    __device__ Images(T* group, const T* group_bias, int group_rows, int all_images,
                      int all_channels, int pixels, bool clip)
        : y(group),
          bias(group_bias),
          rows(group_rows),
          images(all_images),
          channels(all_channels),
          plane(pixels),
          relu(clip),
          by_plane(pixels) {}
    __device__ void store(int row, int pixel, T v) const {
        int place;
        const long long image = by_plane.split(pixel, place);
        if (row >= rows || image >= images) return;
        if (bias) v += bias[row];
        y[(image * channels + row) * plane + place] = relu ? relu_of(v) : v;
    }
};

// y[n, k, p, q] = bias[k] + sum_{c, r, s} x[n, c, p sh - ph + r dh, q sw - pw + s dw] w[k, c, r, s]
//   x, w, y dense, y no overlap; bias (o) or null; relu clips at 0. NaN goes through.
//   The product of w (o_group x c_group kh kw) and the patches (c_group kh kw x images oh ow).
//   2 images o oh ow c_group kh kw flops; x is read once for each tile of channels.
//   launch: block 256; grid = groups * tiles. images * oh * ow < 2^31.
//   error: |y - ref| <= (c_group kh kw + 2) 2^-24 (|x| * |w|) (float), 2^-53 (double).
template <class T, class How>
__device__ void conv2d(const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias,
                       T* __restrict__ y, int relu, const Conv& s) {
    const int rows = s.o_group(), length = s.c_group() * s.taps();
    const ConvBlock<How> block(rows, s.images * s.out_plane(), s.groups);
    const long long first = static_cast<long long>(block.group) * rows;
    const Weights<T> weights{w + first * length, rows, length};
    const long long channel = static_cast<long long>(block.group) * s.c_group();
    const Patches<T> patches(x + channel * s.in_plane(), s);
    const Images<T> put(y + first * s.out_plane(), bias ? bias + first : nullptr, rows, s.images,
                        s.o, s.out_plane(), relu != 0);
    How::template product<T>(weights, patches, put, block.m0, block.n0, 0, length);
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_f32_t64(const float* __restrict__ x, const float* __restrict__ weight,
                   const float* __restrict__ bias, float* __restrict__ y, int relu, CONV_PARAMS) {
    conv2d<float, Tile64>(x, weight, bias, y, relu, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_f32_t128(const float* __restrict__ x, const float* __restrict__ weight,
                    const float* __restrict__ bias, float* __restrict__ y, int relu, CONV_PARAMS) {
    conv2d<float, Tile128>(x, weight, bias, y, relu, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_f64_t64(const double* __restrict__ x, const double* __restrict__ weight,
                   const double* __restrict__ bias, double* __restrict__ y, int relu, CONV_PARAMS) {
    conv2d<double, Tile64>(x, weight, bias, y, relu, Conv{CONV_ARGS});
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_tf32_t128(const float* __restrict__ x, const float* __restrict__ weight,
                     const float* __restrict__ bias, float* __restrict__ y, int relu, CONV_PARAMS) {
    conv2d<float, TensorTile<Tf32>>(x, weight, bias, y, relu, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_bf16_t128(const float* __restrict__ x, const float* __restrict__ weight,
                     const float* __restrict__ bias, float* __restrict__ y, int relu, CONV_PARAMS) {
    conv2d<float, TensorTile<Bf16>>(x, weight, bias, y, relu, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_f16_t128(const float* __restrict__ x, const float* __restrict__ weight,
                    const float* __restrict__ bias, float* __restrict__ y, int relu, CONV_PARAMS) {
    conv2d<float, TensorTile<F16>>(x, weight, bias, y, relu, Conv{CONV_ARGS});
}

// ---- the gradient with respect to x ----

template <class T>
struct WeightsAcross {  // row c: the weights w[k, c, r, s], k = (output channel, r, s)
    using Line = const T*;
    static constexpr bool along_k = true;
    const T* w;
    int rows, taps;
    FastDivide by_taps;

    __device__ WeightsAcross(const T* group, int c_group, int kernel)
        : w(group), rows(c_group), taps(kernel), by_taps(kernel) {}
    __device__ Line line(int row) const {
        return row < rows ? w + static_cast<long long>(row) * taps : nullptr;
    }
    __device__ T at(Line line, int k) const {
        int tap;
        const long long channel = by_taps.split(k, tap);
        return line ? line[channel * rows * taps + tap] : T(0);
    }
};

template <class T>
struct
    Readers {  // line: an input pixel of an image; k = (channel, r, s): the output that reads it so
    struct Line {
        const T* grad;
        int row, column;
    };
    static constexpr bool along_k = false;
    const T* grad;  // the group's first channel
    Conv s;
    FastDivide plane, width, taps, kw, sh, sw;

    __device__ Readers(const T* group, const Conv& shape)
        : grad(group),
          s(shape),
          plane(shape.in_plane()),
          width(shape.w),
          taps(shape.taps()),
          kw(shape.kw),
          sh(shape.sh),
          sw(shape.sw) {}
    __device__ Line line(int pixel) const {
        int place, column;
        const long long image = plane.split(pixel, place);
        if (image >= s.images) return {nullptr, 0, 0};
        const int row = width.split(place, column);
        return {grad + image * s.o * s.out_plane(), row + s.ph, column + s.pw};
    }
    __device__ T at(const Line& line, int k) const {
        int tap, s_tap, rest_p, rest_q;
        const long long channel = taps.split(k, tap);
        const int i = line.row - kw.split(tap, s_tap) * s.dh, j = line.column - s_tap * s.dw;
        if (!line.grad || i < 0 || j < 0) return T(0);
        const int p = sh.split(i, rest_p), q = sw.split(j, rest_q);
        const bool reads = rest_p == 0 && rest_q == 0 && p < s.oh && q < s.ow;
        return reads ? line.grad[channel * s.out_plane() + static_cast<long long>(p) * s.ow + q]
                     : T(0);
    }
};

// gx[n, c, i, j] = sum over k, r, s with p sh = i + ph - r dh, q sw = j + pw - s dw of
//                  gy[n, k, p, q] w[k, c, r, s]
//   gy, w, gx dense, gx no overlap. NaN goes through.
//   2 images c h w o_group kh kw flops, of which 1 in sh sw is not a product with a zero: for strides
//   above 1 the plain product of every stride's phase would do less.
//   launch: block 256; grid = groups * tiles. images * h * w < 2^31.
//   error: |gx - ref| <= (o_group kh kw + 2) 2^-24 (|gy| * |w|) (float), 2^-53 (double).
template <class T, class How>
__device__ void conv2d_backward_input(const T* __restrict__ gy, const T* __restrict__ w,
                                      T* __restrict__ gx, const Conv& s) {
    const int rows = s.c_group(), length = s.o_group() * s.taps();
    const ConvBlock<How> block(rows, s.images * s.in_plane(), s.groups);
    const long long first = static_cast<long long>(block.group) * s.o_group();
    const WeightsAcross<T> weights(w + first * rows * s.taps(), rows, s.taps());
    const Readers<T> readers(gy + first * s.out_plane(), s);
    T* group = gx + static_cast<long long>(block.group) * rows * s.in_plane();
    const Images<T> put(group, nullptr, rows, s.images, s.c, s.in_plane(), false);
    How::template product<T>(weights, readers, put, block.m0, block.n0, 0, length);
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_input_f32_t64(const float* __restrict__ gy, const float* __restrict__ weight,
                                  float* __restrict__ gx, CONV_PARAMS) {
    conv2d_backward_input<float, Tile64>(gy, weight, gx, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_input_f32_t128(const float* __restrict__ gy, const float* __restrict__ weight,
                                   float* __restrict__ gx, CONV_PARAMS) {
    conv2d_backward_input<float, Tile128>(gy, weight, gx, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_input_f64_t64(const double* __restrict__ gy, const double* __restrict__ weight,
                                  double* __restrict__ gx, CONV_PARAMS) {
    conv2d_backward_input<double, Tile64>(gy, weight, gx, Conv{CONV_ARGS});
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_input_tf32_t128(const float* __restrict__ gy, const float* __restrict__ weight,
                                    float* __restrict__ gx, CONV_PARAMS) {
    conv2d_backward_input<float, TensorTile<Tf32>>(gy, weight, gx, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_input_bf16_t128(const float* __restrict__ gy, const float* __restrict__ weight,
                                    float* __restrict__ gx, CONV_PARAMS) {
    conv2d_backward_input<float, TensorTile<Bf16>>(gy, weight, gx, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_input_f16_t128(const float* __restrict__ gy, const float* __restrict__ weight,
                                   float* __restrict__ gx, CONV_PARAMS) {
    conv2d_backward_input<float, TensorTile<F16>>(gy, weight, gx, Conv{CONV_ARGS});
}

// ---- the gradient with respect to w ----

template <class T>
struct Channels {  // row: an output channel; k = (image, pixel): its gradient there
    using Line = const T*;
    static constexpr bool along_k = true;
    const T* grad;  // the group's first channel
    int rows, plane;
    long long image_step;
    FastDivide by_plane;

    __device__ Channels(const T* group, int o_group, const Conv& s)
        : grad(group),
          rows(o_group),
          plane(s.out_plane()),
          image_step(static_cast<long long>(s.o) * s.out_plane()),
          by_plane(s.out_plane()) {}
    __device__ Line line(int row) const {
        return row < rows ? grad + static_cast<long long>(row) * plane : nullptr;
    }
    __device__ T at(Line line, int k) const {
        int pixel;
        const long long image = by_plane.split(k, pixel);
        return line ? line[image * image_step + pixel] : T(0);
    }
};

template <class T>
struct Taps {  // line: a weight (channel, r, s); k = (image, p, q): the input that it meets there
    struct Line {
        const T* x;
        int row, column;
    };
    static constexpr bool along_k = true;
    const T* x;  // the group's first channel
    Conv s;
    FastDivide plane, ow, taps, kw;

    __device__ Taps(const T* group, const Conv& shape)
        : x(group),
          s(shape),
          plane(shape.out_plane()),
          ow(shape.ow),
          taps(shape.taps()),
          kw(shape.kw) {}
    __device__ Line line(int weight) const {
        int tap, column;
        const long long channel = taps.split(weight, tap);
        if (channel >= s.c_group()) return {nullptr, 0, 0};
        const int row = kw.split(tap, column);
        return {x + channel * s.in_plane(), row * s.dh - s.ph, column * s.dw - s.pw};
    }
    __device__ T at(const Line& line, int k) const {
        int pq, q;
        const long long image = plane.split(k, pq);
        const int i = ow.split(pq, q) * s.sh + line.row, j = q * s.sw + line.column;
        const bool inside = line.x && i >= 0 && i < s.h && j >= 0 && j < s.w;
        return inside ? line.x[image * s.c * s.in_plane() + static_cast<long long>(i) * s.w + j]
                      : T(0);
    }
};

template <class T>
struct Kernels {  // gw of a group: rows of c_group kh kw weights, dense
    T* gw;
    int rows, length;

    __device__ void store(int row, int weight, T v) const {
        if (row < rows && weight < length) gw[static_cast<long long>(row) * length + weight] = v;
    }
};

// gw[k, c, r, s] = sum_{n, p, q} gy[n, k, p, q] x[n, c, p sh - ph + r dh, q sw - pw + s dw]
//   x, gy dense. splits > 1: gw is (splits, o, c_group, kh, kw), each a part of the sum; the parts
//   are added in order by sum_splits (matmul.cu). NaN goes through.
//   The result is small and the sum long, so blocks share a sum: without that a layer of 64 x 64 x 3
//   x 3 weights would fill 9 of 132 SMs.
//   2 images o oh ow c_group kh kw flops.
//   launch: block 256; grid = splits * groups * tiles. images * oh * ow < 2^31.
//   error: |gw - ref| <= (images oh ow + 2) 2^-24 (|gy| * |x|) (float), 2^-53 (double).
template <class T, class How>
__device__ void conv2d_backward_weight(const T* __restrict__ x, const T* __restrict__ gy,
                                       T* __restrict__ gw, int splits, const Conv& s) {
    const int rows = s.o_group(), length = s.c_group() * s.taps();
    const ConvBlock<How> block(rows, length, s.groups);
    const long long first = static_cast<long long>(block.group) * rows;
    const Channels<T> channels(gy + first * s.out_plane(), rows, s);
    const long long channel = static_cast<long long>(block.group) * s.c_group();
    const Taps<T> taps(x + channel * s.in_plane(), s);
    const long long part = static_cast<long long>(block.split) * s.o * length;
    const Kernels<T> put{gw + part + first * length, rows, length};
    int k0, k1;
    split_range(s.images * s.out_plane(), splits, block.split, How::kK, k0, k1);
    How::template product<T>(channels, taps, put, block.m0, block.n0, k0, k1);
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_weight_f32_t64(const float* __restrict__ x, const float* __restrict__ gy,
                                   float* __restrict__ gw, int splits, CONV_PARAMS) {
    conv2d_backward_weight<float, Tile64>(x, gy, gw, splits, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_weight_f64_t64(const double* __restrict__ x, const double* __restrict__ gy,
                                   double* __restrict__ gw, int splits, CONV_PARAMS) {
    conv2d_backward_weight<double, Tile64>(x, gy, gw, splits, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_weight_tf32_t128(const float* __restrict__ x, const float* __restrict__ gy,
                                     float* __restrict__ gw, int splits, CONV_PARAMS) {
    conv2d_backward_weight<float, TensorTile<Tf32>>(x, gy, gw, splits, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_weight_bf16_t128(const float* __restrict__ x, const float* __restrict__ gy,
                                     float* __restrict__ gw, int splits, CONV_PARAMS) {
    conv2d_backward_weight<float, TensorTile<Bf16>>(x, gy, gw, splits, Conv{CONV_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_weight_f16_t128(const float* __restrict__ x, const float* __restrict__ gy,
                                    float* __restrict__ gw, int splits, CONV_PARAMS) {
    conv2d_backward_weight<float, TensorTile<F16>>(x, gy, gw, splits, Conv{CONV_ARGS});
}
