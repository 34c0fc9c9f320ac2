// 2-D pooling over planes: a window of kh x kw taps slides over H x W and gives P x Q.
//   Tap (i, j) of window (p, q) is row p*sh - ph + i*dh, column q*sw - pw + j*dw; taps outside of
//   the plane are padding. All arrays are dense; outputs overlap no input.
//   max:  y = the largest tap, argmax = i*kw + j; ties go to the first tap in row order, of NaNs
//         the last one wins (both as in PyTorch); padding never wins.
//   avg:  y = sum of the taps / (row_count[p] * col_count[q]).
//   0 to 2 flops a tap: judged in bytes. Every output element is written once, or once more with
//   the same value where the last vector of a row is moved back to be a full one.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

struct Pool2dShape {
    int64_t planes, H, W;  // N * C, input rows and columns
    int64_t kh, kw, sh, sw, ph, pw, dh, dw;
    int64_t P, Q;  // output rows and columns, computed by pool2d_shape
};

enum class PoolPass {
    planes,   // lanes along planes, transposed in scratch: small ones
    row,      // forward: lanes along the output row
    window,   // average forward: one window after the other, lanes along its rows
    pairs,    // backward: 2x2 windows, stride 2, no padding: each writes its own four elements
    gather,   // backward: each element adds its windows in registers; stride 1 or 2, no dilation
    scatter,  // backward: windows one after the other; anything
};

struct PoolPlan {
    PoolPass pass;
    bool bordered;          // forward: a band is copied into scratch with its padding
    int64_t band;           // rows (forward: of y, backward: of gx) of one plane at a time
    int64_t block;          // bands, or groups of planes, a job
    int64_t pitch, left;    // elements from row to row of scratch; border columns before the first
    int64_t scratch_bytes;  // a thread; a multiple of 64
    int team;
    bool long_work;  // worth releasing the GIL
};

// scratch: team * scratch_bytes, aligned to 64.
template <class T, class A>
struct MaxPoolKernels {
    void (*forward)(const Pool2dShape&, const PoolPlan&, const T* x, T* y, A* argmax,
                    void* scratch) noexcept;
    // gx: sum of the gradients whose argmax names the element, windows in row order.
    void (*backward)(const Pool2dShape&, const PoolPlan&, const T* gy, const A* argmax, T* gx,
                     void* scratch) noexcept;
    // y: the tap of x that argmax names; 0 where it names padding or no tap. No scratch.
    void (*take)(const Pool2dShape&, const PoolPlan&, const T* x, const A* argmax, T* y) noexcept;
};
template <class T>
struct AvgPoolKernels {
    void (*forward)(const Pool2dShape&, const PoolPlan&, const T* x, const T* row_count,
                    const T* col_count, T* y, void* scratch) noexcept;
    void (*backward)(const Pool2dShape&, const PoolPlan&, const T* gy, const T* row_count,
                     const T* col_count, T* gx, void* scratch) noexcept;
};
struct MaxPoolTable {
    MaxPoolKernels<float, uint8_t> f32_u8;
    MaxPoolKernels<float, int32_t> f32_i32;
    MaxPoolKernels<double, uint8_t> f64_u8;
    MaxPoolKernels<double, int32_t> f64_i32;
};
struct AvgPoolTable {
    AvgPoolKernels<float> f32;
    AvgPoolKernels<double> f64;
};
TG_DECLARE_TABLE(MaxPoolTable, max_pool)
TG_DECLARE_TABLE(AvgPoolTable, avg_pool)

#ifndef TG_ISA

// Settings as the caller gives them; pairs are rows, columns.
struct Pool2dSettings {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    bool ceil_mode;
};

// The checked shape. Throws std::invalid_argument, beginning with `where`.
Pool2dShape pool2d_shape(const char* where, int64_t planes, const int64_t (&size)[2],
                         const Pool2dSettings& settings);

// element: bytes of a number. average: the kernels of AvgPoolKernels.
PoolPlan plan_pool_forward(const Pool2dShape& g, int64_t element, bool average,
                           int threads) noexcept;
PoolPlan plan_pool_backward(const Pool2dShape& g, int64_t element, int threads) noexcept;

// What the windows at each output row (or column) divide by: the taps of that axis in the plane
// and, where include_pad says so, in its padding.
void window_counts(int64_t out, int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                   bool include_pad, double* count);

#endif

}  // namespace tinygrad_cv
