// Activations, one element after the other: y = f(x), and gx = gy f'(x), in one pass over memory.
//   relu: max(x, 0), NaN stays; its gradient gy where y > 0 or NaN, else 0.
//   relu6: min(max(x, 0), 6), NaN stays; its gradient gy where 0 < y < 6 or NaN, else 0.
//   leaky_relu: x where x > 0, else alpha x. silu: x s(x). gelu: x F(x), F the normal distribution's;
//   gelu_tanh: x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).
//   The gradient is computed from y for relu, relu6, sigmoid, tanh, exp, and from x for the others.
//   add: y = a + b, with relu max(a + b, 0), NaN stays.
//   dropout: y = x scale where draw >= p, else 0 x (NaN stays, as in PyTorch).
// x, y, gy, gx: n elements, dense; y and gx may be x (a or b) and gy. Bounds of the errors: exp_lanes.h.
//   relu: 0 flops, 2 (3) * sizeof(T) bytes an element: as fast as a copy. The others 20 to 80 flops.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

enum class Activation : int { relu, relu6, leaky_relu, sigmoid, tanh, exp, silu, gelu, gelu_tanh };

template <class T>
struct ElementwiseKernels {
    void (*forward)(Activation f, T alpha, int64_t n, int team, const T* x, T* y) noexcept;
    void (*backward)(Activation f, T alpha, int64_t n, int team, const T* gy, const T* saved,
                     T* gx) noexcept;
    void (*dropout)(T p, T scale, int64_t n, int team, const T* x, const T* draw, T* y) noexcept;
    void (*add)(bool relu, int64_t n, int team, const T* a, const T* b, T* y) noexcept;
};
struct ElementwiseTable {
    ElementwiseKernels<float> f32;
    ElementwiseKernels<double> f64;
};
TG_DECLARE_TABLE(ElementwiseTable, elementwise)

#ifndef TG_ISA
struct ElementwisePlan {
    int team;
    bool long_work;  // worth releasing the GIL
};
ElementwisePlan plan_elementwise(Activation f, int64_t n, int threads) noexcept;
#endif

}  // namespace tinygrad_cv
