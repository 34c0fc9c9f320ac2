// Pooling to a given size: window p of `oh` begins at row floor(p h / oh) and ends before
// ceil((p + 1) h / oh), so that windows are uneven and may overlap. One element a thread; gradients in
// gather form: every element written once, in a fixed order, no atomics.
//   adaptive_avg_pool2d_*, adaptive_avg_pool2d_backward_*
//   adaptive_max_pool2d_*, adaptive_max_pool2d_backward_*, adaptive_max_pool2d_gather_*
// Each: block 256; grid = min(ceil(elements written / 256), 32 x SMs); fewer than 2^31 elements. Bound by
// memory. Those of max pooling ask for 4 blocks a multiprocessor: left alone ptxas aims at 8, and spills.
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "kernel_common.cuh"
#include "planes.cuh"

// x (planes, h, w), y (planes, oh, ow).
#define ADAPTIVE_PARAMS int planes, int h, int w, int oh, int ow
#define ADAPTIVE_ARGS planes, h, w, oh, ow

struct Adaptive {
    int planes, h, w, oh, ow;

    __device__ long long inputs() const { return static_cast<long long>(planes) * h * w; }
    __device__ long long outputs() const { return static_cast<long long>(planes) * oh * ow; }
    __device__ long long input(const Place& at, int row, int column) const {
        return (static_cast<long long>(at.plane) * h + row) * w + column;
    }
    __device__ long long output(const Place& at, int row, int column) const {
        return (static_cast<long long>(at.plane) * oh + row) * ow + column;
    }
};

// Window `i` of `count` over `length` elements. Element i of `count` lies in the windows
// adaptive_span(i, count, length): the same with the roles changed.
__device__ inline Span adaptive_span(int i, int count, int length) {
    const long long first = static_cast<long long>(i) * length;
    return {static_cast<int>(first / count),
            static_cast<int>((first + length + count - 1) / count)};
}

// y[n, p, q] = the mean of the window, that of nothing 0: rows are summed one by one, then their sums.
//   error: |y - ref| <= (elements + 2) 2^-24 avg|x| (float), 2^-53 (double).
template <class T>
__device__ void adaptive_avg_pool2d(const T* __restrict__ x, T* __restrict__ y, const Adaptive& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const Span rows = adaptive_span(place.row, s.oh, s.h);
        const Span columns = adaptive_span(place.column, s.ow, s.w);
        T sum = 0;
        for (int i = rows.start; i < rows.end; ++i) {
            T row = 0;
            for (int j = columns.start; j < columns.end; ++j) row += x[s.input(place, i, j)];
            sum += row;
        }
        y[at] = sum / (T(max(rows.length(), 1)) * T(max(columns.length(), 1)));
    }
}

// gx[n, i, j] = the sum of gy[n, p, q] / (the window's elements) over the windows that hold (i, j).
//   error: |gx - ref| <= (windows + 2) 2^-24 (sum of |gy| / elements) (float), 2^-53 (double).
template <class T>
__device__ void adaptive_avg_pool2d_backward(const T* __restrict__ gy, T* __restrict__ gx,
                                             const Adaptive& s) {
    const Planes planes(s.h, s.w);
    for (long long at = GRID_START; at < s.inputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const Span rows = adaptive_span(place.row, s.h, s.oh);
        const Span columns = adaptive_span(place.column, s.w, s.ow);
        T sum = 0;
        for (int p = rows.start; p < rows.end; ++p) {
            const T height = T(adaptive_span(p, s.oh, s.h).length());
            T row = 0;
            for (int q = columns.start; q < columns.end; ++q) {
                row +=
                    gy[s.output(place, p, q)] / (height * T(adaptive_span(q, s.ow, s.w).length()));
            }
            sum += row;
        }
        gx[at] = sum;
    }
}

// y[n, p, q] = the window's largest value, and places[n, p, q] where it is, counted in the plane in row
// order: the first of equal values; the first NaN, if there is one.
template <class T>
__device__ void adaptive_max_pool2d(const T* __restrict__ x, T* __restrict__ y,
                                    int* __restrict__ places, const Adaptive& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const Span rows = adaptive_span(place.row, s.oh, s.h);
        const Span columns = adaptive_span(place.column, s.ow, s.w);
        int winner = rows.start * s.w + columns.start;
        T best = x[s.input(place, rows.start, columns.start)];
        for (int i = rows.start; i < rows.end; ++i) {
            for (int j = columns.start; j < columns.end; ++j) {
                const T value = x[s.input(place, i, j)];
                if (value > best || (value != value && best == best)) {
                    best = value;
                    winner = i * s.w + j;
                }
            }
        }
        y[at] = best;
        places[at] = winner;
    }
}

// gx[n, i, j] = the sum of gy[n, p, q] over the windows whose place is (i, j), in row order.
template <class T>
__device__ void adaptive_max_pool2d_backward(const T* __restrict__ gy,
                                             const int* __restrict__ places, T* __restrict__ gx,
                                             const Adaptive& s) {
    const Planes planes(s.h, s.w);
    for (long long at = GRID_START; at < s.inputs(); at += GRID_STEP) {
        const Place place = planes.at(at);
        const Span rows = adaptive_span(place.row, s.h, s.oh);
        const Span columns = adaptive_span(place.column, s.w, s.ow);
        T sum = 0;
        for (int p = rows.start; p < rows.end; ++p) {
            for (int q = columns.start; q < columns.end; ++q) {
                const long long window = s.output(place, p, q);
                if (places[window] == place.row * s.w + place.column) sum += gy[window];
            }
        }
        gx[at] = sum;
    }
}

// y[n, p, q] = x at the place; 0 where it lies outside of the plane.
template <class T>
__device__ void adaptive_max_pool2d_gather(const T* __restrict__ x, const int* __restrict__ places,
                                           T* __restrict__ y, const Adaptive& s) {
    const Planes planes(s.oh, s.ow);
    for (long long at = GRID_START; at < s.outputs(); at += GRID_STEP) {
        const int from = places[at];
        const bool inside = from >= 0 && from < s.h * s.w;
        y[at] = inside ? x[s.input(planes.at(at), 0, from)] : T(0);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    adaptive_avg_pool2d_f32(const float* __restrict__ x, float* __restrict__ y, ADAPTIVE_PARAMS) {
    adaptive_avg_pool2d(x, y, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    adaptive_avg_pool2d_backward_f32(const float* __restrict__ gy, float* __restrict__ gx,
                                     ADAPTIVE_PARAMS) {
    adaptive_avg_pool2d_backward(gy, gx, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    adaptive_max_pool2d_f32(const float* __restrict__ x, float* __restrict__ y,
                            int* __restrict__ places, ADAPTIVE_PARAMS) {
    adaptive_max_pool2d(x, y, places, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    adaptive_max_pool2d_backward_f32(const float* __restrict__ gy, const int* __restrict__ places,
                                     float* __restrict__ gx, ADAPTIVE_PARAMS) {
    adaptive_max_pool2d_backward(gy, places, gx, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    adaptive_max_pool2d_gather_f32(const float* __restrict__ x, const int* __restrict__ places,
                                   float* __restrict__ y, ADAPTIVE_PARAMS) {
    adaptive_max_pool2d_gather(x, places, y, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    adaptive_avg_pool2d_f64(const double* __restrict__ x, double* __restrict__ y, ADAPTIVE_PARAMS) {
    adaptive_avg_pool2d(x, y, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    adaptive_avg_pool2d_backward_f64(const double* __restrict__ gy, double* __restrict__ gx,
                                     ADAPTIVE_PARAMS) {
    adaptive_avg_pool2d_backward(gy, gx, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    adaptive_max_pool2d_f64(const double* __restrict__ x, double* __restrict__ y,
                            int* __restrict__ places, ADAPTIVE_PARAMS) {
    adaptive_max_pool2d(x, y, places, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256, 4)
    adaptive_max_pool2d_backward_f64(const double* __restrict__ gy, const int* __restrict__ places,
                                     double* __restrict__ gx, ADAPTIVE_PARAMS) {
    adaptive_max_pool2d_backward(gy, places, gx, Adaptive{ADAPTIVE_ARGS});
}
extern "C" __global__ void __launch_bounds__(256)
    adaptive_max_pool2d_gather_f64(const double* __restrict__ x, const int* __restrict__ places,
                                   double* __restrict__ y, ADAPTIVE_PARAMS) {
    adaptive_max_pool2d_gather(x, places, y, Adaptive{ADAPTIVE_ARGS});
}
