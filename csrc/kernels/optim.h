// Steps of optimizers, in place, in one pass over memory. n elements, dense; no overlap.
//   d = sign g + decay w (sign -1: uphill)
//   sgd:   without v: w -= lr d. With v: v = momentum v + keep d; w -= lr v, or with nesterov
//          w -= lr (d + momentum v)
//   adam:  w *= shrink first (decoupled decay); m += (1 - beta1) (d - m); v = beta2 v + (1 - beta2) d^2;
//          top = max(top, v) if there is one, NaN stays; w -= step m / (sqrt(top or v) / divisor + eps)
//   2 to 12 flops and 3 to 8 * sizeof(T) bytes an element: judged in bytes.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

template <class T>
struct SgdStep {
    T lr, momentum, keep, decay, sign;
    bool nesterov;
};
template <class T>
struct AdamStep {
    T rest1, beta2, rest2;  // 1 - beta1, beta2, 1 - beta2
    T step, divisor, eps, decay, shrink, sign;
};

template <class T>
struct OptimKernels {
    void (*sgd)(const SgdStep<T>&, int64_t n, int team, const T* g, T* w, T* v) noexcept;
    void (*adam)(const AdamStep<T>&, int64_t n, int team, const T* g, T* w, T* m, T* v,
                 T* top) noexcept;
};
struct OptimTable {
    OptimKernels<float> f32;
    OptimKernels<double> f64;
};
TG_DECLARE_TABLE(OptimTable, optim)

}  // namespace tinygrad_cv
