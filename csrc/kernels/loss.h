// Rows of class scores x (R, K), K >= 1, with the largest score m[r] subtracted first:
//   log_softmax:  y = x - m - log sum_k exp(x - m);  its gradient gx = gy - exp(y) sum_k gy
//   cross-entropy of labels t (R,), 0 <= t < K or t = ignore: with p = exp(x - m) / sum_k exp(x - m)
//     and f[r] = weight[t] (1 without weight; 0 where t = ignore),
//     loss[r] = -f (x[t] - m - log sum_k exp(x - m)), exactly 0 where t = ignore
//     gradient: gx = (f g[r] / total) (p - onehot(t)), exactly 0 where t = ignore
// Dense arrays, no overlap. A NaN, or nothing but minus infinities, makes its row NaN.
//   Rows are independent: equal bits for any thread count. Errors: some 3 units of the last place of
//   the row's largest term.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

struct RowShape {
    int64_t R, K;
};
struct RowPlan {
    int64_t rows;  // of a job
    int team;
    bool long_work;  // worth releasing the GIL
};

template <class T>
struct LossKernels {
    void (*log_softmax)(const RowShape&, const RowPlan&, const T* x, T* y) noexcept;
    void (*log_softmax_backward)(const RowShape&, const RowPlan&, const T* gy, const T* y,
                                 T* gx) noexcept;
    void (*cross_entropy)(const RowShape&, const RowPlan&, const T* x, const int64_t* t,
                          const T* weight, int64_t ignore, T* loss, T* factor, T* p) noexcept;
    // g: one number a row, or one for all of them (each_row false)
    void (*cross_entropy_backward)(const RowShape&, const RowPlan&, const T* g, bool each_row,
                                   const T* p, const int64_t* t, int64_t ignore, const T* factor,
                                   T* gx) noexcept;
};
struct LossTable {
    LossKernels<float> f32;
    LossKernels<double> f64;
};
TG_DECLARE_TABLE(LossTable, loss)

#ifndef TG_ISA
RowPlan plan_rows(const RowShape& g, int threads) noexcept;
#endif

}  // namespace tinygrad_cv
