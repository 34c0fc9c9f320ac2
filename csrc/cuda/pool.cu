// Pooling over planes, one element a thread; gradients in gather form: every element written once, in
// a fixed order, no atomics.
//   max_pool2d_*_u8, _i32 (width of argmax), max_pool2d_backward_*, max_pool2d_gather_*
//   avg_pool2d_*, avg_pool2d_backward_*, lp_pool2d_*, lp_pool2d_backward_*
// The backward kernels ask for 4 blocks a multiprocessor: left alone ptxas aims at 8, and spills.
// Powers of double take more registers: those kernels ask for 2.
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "kernel_common.cuh"
#include "planes.cuh"

// x (planes, h, w), y (planes, oh, ow); window kh x kw, s: stride, p: padding, d: dilation.
#define POOL_PARAMS                                                                           \
    int planes, int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, \
        int dh, int dw
#define POOL_ARGS planes, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw

struct Pool {
    int planes, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;

    __device__ long long in_plane() const { return static_cast<long long>(h) * w; }
    __device__ long long inputs() const { return planes * in_plane(); }
    __device__ long long outputs() const { return static_cast<long long>(planes) * oh * ow; }
};

// y[n, p, q] = max over taps (i, j) inside the plane of x[n, p sh - ph + i dh, q sw - pw + j dw],
// argmax = i kw + j: the first of equal values; the last NaN, if there is one. A window that lies
// in the padding has -inf and argmax 0.
//   kh kw reads from L1 and L2, sizeof(x) + sizeof(y) + sizeof(argmax) bytes of memory, which bound it.
//   launch: block 256; grid = min(ceil(outputs / 256), 32 x SMs). outputs < 2^31.
template <class T, class Tap>
__device__ void max_pool2d(const T* __restrict__ x, T* __restrict__ y, Tap* __restrict__ argmax,
                           const Pool& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const T* plane = x + place.plane * s.in_plane();
        T best = NEG_INF;
        int winner = 0;
        bool empty = true;
        for (int i = 0; i < s.kh; ++i) {
            const int row = place.row * s.sh - s.ph + i * s.dh;
            for (int j = 0; j < s.kw; ++j) {
                const int column = place.column * s.sw - s.pw + j * s.dw;
                if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
                const T value = plane[static_cast<long long>(row) * s.w + column];
                if (empty || value > best || value != value) {
                    best = value;
                    winner = i * s.kw + j;
                    empty = false;
                }
            }
        }
        y[at] = best;
        argmax[at] = static_cast<Tap>(winner);
    }
}

// gx[n, i, j] = sum of gy[n, p, q] over the windows whose argmax is (i, j), in row order of taps.
//   kh kw reads of argmax at most, of which 1 in sh sw is of a window; gy is read where it matches.
//   launch: block 256; grid = min(ceil(inputs / 256), 32 x SMs). inputs < 2^31.
template <class T, class Tap>
__device__ void max_pool2d_backward(const T* __restrict__ gy, const Tap* __restrict__ argmax,
                                    T* __restrict__ gx, const Pool& s) {
    const Planes planes(s.h, s.w);
    const FastDivide sh(s.sh), sw(s.sw);
    for (long long at = GRID_START; at < s.inputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const long long first = static_cast<long long>(place.plane) * s.oh * s.ow;
        T sum = 0;
        for (int i = 0; i < s.kh; ++i) {
            const int row = place.row + s.ph - i * s.dh;
            for (int j = 0; j < s.kw; ++j) {
                const int column = place.column + s.pw - j * s.dw;
                if (row < 0 || column < 0) continue;
                int rest_p, rest_q;
                const int p = sh.split(row, rest_p), q = sw.split(column, rest_q);
                if (rest_p || rest_q || p >= s.oh || q >= s.ow) continue;
                const long long window = first + static_cast<long long>(p) * s.ow + q;
                if (argmax[window] == i * s.kw + j) sum += gy[window];
            }
        }
        gx[at] = sum;
    }
}

// y[n, p, q] = x at the place that argmax[n, p, q] names; 0 where that is no tap inside the plane.
//   sizeof(argmax) + 2 sizeof(T) bytes an output.
//   launch: block 256; grid = min(ceil(outputs / 256), 32 x SMs). outputs < 2^31.
template <class T, class Tap>
__device__ void max_pool2d_gather(const T* __restrict__ x, const Tap* __restrict__ argmax,
                                  T* __restrict__ y, const Pool& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const int tap = argmax[at];
        const int row = place.row * s.sh - s.ph + tap / s.kw * s.dh;
        const int column = place.column * s.sw - s.pw + tap % s.kw * s.dw;
        const bool inside =
            tap >= 0 && tap < s.kh * s.kw && row >= 0 && row < s.h && column >= 0 && column < s.w;
        const long long from =
            place.plane * s.in_plane() + static_cast<long long>(row) * s.w + column;
        y[at] = inside ? x[from] : T(0);
    }
}

// A window's part in the padded plane, for counting (padding counts, what hangs over does not).
__device__ inline Span padded_span(int out, int stride, int padding, int kernel, int size) {
    const int start = out * stride - padding;
    return {start, min(start + kernel, size + padding)};
}

__device__ inline Span inside_span(const Span& span, int size) {
    return {max(span.start, 0), min(span.end, size)};
}

// What the sum of window (p, q) is divided by: `divisor`, or (0) the number of its elements.
template <class T>
__device__ T window_divisor(const Pool& s, int p, int q, int include_pad, int divisor) {
    if (divisor) return T(divisor);
    Span rows = padded_span(p, s.sh, s.ph, s.kh, s.h);
    Span columns = padded_span(q, s.sw, s.pw, s.kw, s.w);
    if (!include_pad) {
        rows = inside_span(rows, s.h);
        columns = inside_span(columns, s.w);
    }
    return T(rows.end - rows.start) * T(columns.end - columns.start);
}

// The sum of term(x) over the elements of an output's window that lie in the plane, in row order.
template <class T, class Term>
__device__ T window_sum(const T* __restrict__ x, const Place& place, const Pool& s,
                        const Term& term) {
    const T* plane = x + place.plane * s.in_plane();
    const Span rows = inside_span(padded_span(place.row, s.sh, s.ph, s.kh, s.h), s.h);
    const Span columns = inside_span(padded_span(place.column, s.sw, s.pw, s.kw, s.w), s.w);
    T sum = 0;
    for (int i = rows.start; i < rows.end; ++i) {
        for (int j = columns.start; j < columns.end; ++j) {
            sum += term(plane[static_cast<long long>(i) * s.w + j]);
        }
    }
    return sum;
}

// The sum of share(window's index, p, q) over the windows that hold an input, in row order of taps.
template <class T, class Share>
__device__ T readers_sum(const Place& place, const Pool& s, const FastDivide& sh,
                         const FastDivide& sw, const Share& share) {
    const long long first = static_cast<long long>(place.plane) * s.oh * s.ow;
    T sum = 0;
    for (int i = 0; i < s.kh; ++i) {
        const int row = place.row + s.ph - i;
        for (int j = 0; j < s.kw; ++j) {
            const int column = place.column + s.pw - j;
            if (row < 0 || column < 0) continue;
            int rest_p, rest_q;
            const int p = sh.split(row, rest_p), q = sw.split(column, rest_q);
            if (rest_p || rest_q || p >= s.oh || q >= s.ow) continue;
            sum += share(first + static_cast<long long>(p) * s.ow + q, p, q);
        }
    }
    return sum;
}

// y[n, p, q] = (sum of the window's elements) / divisor, in row order.
//   kh kw flops and sizeof(x) + sizeof(y) bytes of memory, which bound it.
//   launch: block 256; grid = min(ceil(outputs / 256), 32 x SMs). outputs < 2^31.
//   error: |y - ref| <= (kh kw + 2) 2^-24 avg|x| (float), 2^-53 (double).
template <class T>
__device__ void avg_pool2d(const T* __restrict__ x, T* __restrict__ y, int include_pad, int divisor,
                           const Pool& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const T sum = window_sum(x, place, s, [](T v) { return v; });
        y[at] = sum / window_divisor<T>(s, place.row, place.column, include_pad, divisor);
    }
}

// gx[n, i, j] = sum over the windows (p, q) that hold (i, j) of gy[n, p, q] / divisor, in row order
// of taps.
//   launch: block 256; grid = min(ceil(inputs / 256), 32 x SMs). inputs < 2^31. d: 1.
//   error: |gx - ref| <= (kh kw + 2) 2^-24 (sum of |gy| / divisor) (float), 2^-53 (double).
template <class T>
__device__ void avg_pool2d_backward(const T* __restrict__ gy, T* __restrict__ gx, int include_pad,
                                    int divisor, const Pool& s) {
    const Planes planes(s.h, s.w);
    const FastDivide sh(s.sh), sw(s.sw);
    for (long long at = GRID_START; at < s.inputs(); at += GRID_STEP) {
        gx[at] = readers_sum<T>(planes.at(at), s, sh, sw, [&](long long window, int p, int q) {
            return gy[window] / window_divisor<T>(s, p, q, include_pad, divisor);
        });
    }
}

// v^p; the powers in use need no logarithm.
template <class T>
__device__ T power(T v, T p) {
    return p == T(2) ? v * v : p == T(1) ? v : p == T(0) ? T(1) : p == T(-1) ? 1 / v : pow(v, p);
}

// y[n, p, q] = (kh kw / n sum of x^norm over the window's n elements)^(1 / norm), 0 where the sum is 0:
// a window that hangs over the edge counts as if it were whole, as in PyTorch.
//   kh kw powers and sizeof(x) + sizeof(y) bytes; bound by memory for norm 1 and 2. No padding.
//   launch: block 256; grid = min(ceil(outputs / 256), 32 x SMs). outputs < 2^31.
//   error: as avg_pool2d's, of x^norm, and that of two powers.
template <class T>
__device__ void lp_pool2d(const T* __restrict__ x, T* __restrict__ y, T norm, const Pool& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const T sum = window_sum(x, place, s, [norm](T v) { return power(v, norm); });
        const T mean = sum / window_divisor<T>(s, place.row, place.column, 0, 0);
        const T whole = mean * T(s.kh * s.kw);
        const T root = norm == T(2) ? sqrt(whole) : power(whole, 1 / norm);
        y[at] = whole == T(0) ? T(0) : root;
    }
}

// gx[n, i, j] = x^(norm - 1) kh kw (sum over the windows that hold (i, j) of gy y^(1 - norm) / n), in row
// order of taps. Where y is 0, no gradient passes; 0 times a pole is 0.
//   a power a window and element; bound by memory for norm 1 and 2 and windows side by side.
//   launch: block 256; grid = min(ceil(inputs / 256), 32 x SMs). inputs < 2^31.
template <class T>
__device__ void lp_pool2d_backward(const T* __restrict__ gy, const T* __restrict__ x,
                                   const T* __restrict__ y, T* __restrict__ gx, T norm,
                                   const Pool& s) {
    const Planes planes(s.h, s.w);
    const FastDivide sh(s.sh), sw(s.sw);
    for (long long at = GRID_START; at < s.inputs(); at += GRID_STEP) {
        const T sum = readers_sum<T>(planes.at(at), s, sh, sw, [&](long long window, int p, int q) {
            const T value = y[window], g = gy[window];
            if (value == T(0) || g == T(0)) return T(0);
            return g * power(value, 1 - norm) / window_divisor<T>(s, p, q, 0, 0);
        });
        const T whole = sum * T(s.kh * s.kw);
        gx[at] = whole == T(0) ? T(0) : whole * power(x[at], norm - 1);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_f32_u8(const float* __restrict__ x, float* __restrict__ y,
                      unsigned char* __restrict__ argmax, POOL_PARAMS) {
    max_pool2d(x, y, argmax, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_f32_i32(const float* __restrict__ x, float* __restrict__ y, int* __restrict__ argmax,
                       POOL_PARAMS) {
    max_pool2d(x, y, argmax, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_f64_u8(const double* __restrict__ x, double* __restrict__ y,
                      unsigned char* __restrict__ argmax, POOL_PARAMS) {
    max_pool2d(x, y, argmax, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_f64_i32(const double* __restrict__ x, double* __restrict__ y,
                       int* __restrict__ argmax, POOL_PARAMS) {
    max_pool2d(x, y, argmax, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    max_pool2d_backward_f32_u8(const float* __restrict__ gy,
                               const unsigned char* __restrict__ argmax, float* __restrict__ gx,
                               POOL_PARAMS) {
    max_pool2d_backward(gy, argmax, gx, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    max_pool2d_backward_f32_i32(const float* __restrict__ gy, const int* __restrict__ argmax,
                                float* __restrict__ gx, POOL_PARAMS) {
    max_pool2d_backward(gy, argmax, gx, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    max_pool2d_backward_f64_u8(const double* __restrict__ gy,
                               const unsigned char* __restrict__ argmax, double* __restrict__ gx,
                               POOL_PARAMS) {
    max_pool2d_backward(gy, argmax, gx, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    max_pool2d_backward_f64_i32(const double* __restrict__ gy, const int* __restrict__ argmax,
                                double* __restrict__ gx, POOL_PARAMS) {
    max_pool2d_backward(gy, argmax, gx, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_gather_f32_u8(const float* __restrict__ x, const unsigned char* __restrict__ argmax,
                             float* __restrict__ y, POOL_PARAMS) {
    max_pool2d_gather(x, argmax, y, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_gather_f32_i32(const float* __restrict__ x, const int* __restrict__ argmax,
                              float* __restrict__ y, POOL_PARAMS) {
    max_pool2d_gather(x, argmax, y, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_gather_f64_u8(const double* __restrict__ x, const unsigned char* __restrict__ argmax,
                             double* __restrict__ y, POOL_PARAMS) {
    max_pool2d_gather(x, argmax, y, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    max_pool2d_gather_f64_i32(const double* __restrict__ x, const int* __restrict__ argmax,
                              double* __restrict__ y, POOL_PARAMS) {
    max_pool2d_gather(x, argmax, y, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    avg_pool2d_f32(const float* __restrict__ x, float* __restrict__ y, int include_pad, int divisor,
                   POOL_PARAMS) {
    avg_pool2d(x, y, include_pad, divisor, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    avg_pool2d_f64(const double* __restrict__ x, double* __restrict__ y, int include_pad,
                   int divisor, POOL_PARAMS) {
    avg_pool2d(x, y, include_pad, divisor, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    avg_pool2d_backward_f32(const float* __restrict__ gy, float* __restrict__ gx, int include_pad,
                            int divisor, POOL_PARAMS) {
    avg_pool2d_backward(gy, gx, include_pad, divisor, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    avg_pool2d_backward_f64(const double* __restrict__ gy, double* __restrict__ gx, int include_pad,
                            int divisor, POOL_PARAMS) {
    avg_pool2d_backward(gy, gx, include_pad, divisor, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    lp_pool2d_f32(const float* __restrict__ x, float* __restrict__ y, float norm, POOL_PARAMS) {
    lp_pool2d(x, y, norm, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    lp_pool2d_backward_f32(const float* __restrict__ gy, const float* __restrict__ x,
                           const float* __restrict__ y, float* __restrict__ gx, float norm,
                           POOL_PARAMS) {
    lp_pool2d_backward(gy, x, y, gx, norm, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 2)
    lp_pool2d_f64(const double* __restrict__ x, double* __restrict__ y, double norm, POOL_PARAMS) {
    lp_pool2d(x, y, norm, Pool{POOL_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 2)
    lp_pool2d_backward_f64(const double* __restrict__ gy, const double* __restrict__ x,
                           const double* __restrict__ y, double* __restrict__ gx, double norm,
                           POOL_PARAMS) {
    lp_pool2d_backward(gy, x, y, gx, norm, Pool{POOL_ARGS});
}
