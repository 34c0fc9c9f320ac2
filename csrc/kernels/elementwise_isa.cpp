// Activations, compiled per instruction set. Contract: kernels/elementwise.h.
#include "kernels/elementwise.h"
#include "kernels/exp_lanes.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

constexpr double kRootTwoOverPi = 0.79788456080286535588;  // sqrt(2 / pi)
constexpr double kDensity = 0.39894228040143267794;        // 1 / sqrt(2 pi)
constexpr double kCubic = 0.044715;

template <class T>
TG_INLINE Vec<T> gelu_inner(Vec<T> x) {
    return fma(x * x * x, splat(T(kCubic)), x) * T(kRootTwoOverPi);
}

// f(x), for one vector.
template <class T, Activation F>
TG_INLINE Vec<T> value(Vec<T> x, T alpha) {
    if constexpr (F == Activation::relu) return select<T>(x < T(0), Vec<T>{}, x);
    if constexpr (F == Activation::relu6) {
        const Vec<T> above = select<T>(x < T(0), Vec<T>{}, x);
        return select<T>(above > T(6), splat(T(6)), above);
    }
    if constexpr (F == Activation::leaky_relu) return select<T>(x > T(0), x, x * alpha);
    if constexpr (F == Activation::sigmoid) return sigmoid_lanes<T>(x);
    if constexpr (F == Activation::tanh) return tanh_lanes<T>(x);
    if constexpr (F == Activation::exp) return exp_lanes<T>(x);
    if constexpr (F == Activation::silu) return x * sigmoid_lanes<T>(x);
    if constexpr (F == Activation::gelu) return x * normal_below<T>(x);
    if constexpr (F == Activation::gelu_tanh) {
        return x * fma(tanh_lanes<T>(gelu_inner<T>(x)), splat(T(0.5)), splat(T(0.5)));
    }
}

// gy f'(x), from y or x as the contract says.
template <class T, Activation F>
TG_INLINE Vec<T> gradient(Vec<T> gy, Vec<T> saved, T alpha) {
    const Vec<T> one = splat(T(1));
    if constexpr (F == Activation::relu) return select<T>(saved <= T(0), Vec<T>{}, gy);
    if constexpr (F == Activation::relu6) {
        return select<T>(saved >= T(6), Vec<T>{}, select<T>(saved <= T(0), Vec<T>{}, gy));
    }
    if constexpr (F == Activation::leaky_relu) return select<T>(saved > T(0), gy, gy * alpha);
    if constexpr (F == Activation::sigmoid) return gy * (saved * (one - saved));
    if constexpr (F == Activation::tanh) return gy * fma(-saved, saved, one);
    if constexpr (F == Activation::exp) return gy * saved;
    if constexpr (F == Activation::silu) {
        const Vec<T> s = sigmoid_lanes<T>(saved);
        return gy * (s * fma(saved, one - s, one));
    }
    if constexpr (F == Activation::gelu) {
        const Vec<T> density = exp_lanes<T>(saved * saved * T(-0.5)) * T(kDensity);
        return gy * fma(saved, density, normal_below<T>(saved));
    }
    if constexpr (F == Activation::gelu_tanh) {
        const Vec<T> t = tanh_lanes<T>(gelu_inner<T>(saved));
        const Vec<T> slope = fma(saved * saved, splat(T(3 * kCubic)), one) * T(kRootTwoOverPi);
        const Vec<T> bend = saved * fma(-t, t, one) * slope;
        return gy * (fma(t, splat(T(0.5)), splat(T(0.5))) + bend * T(0.5));
    }
}

template <class T, Activation F>
void forward_as(T alpha, int64_t n, int team, const T* x, T* y) noexcept {
    sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        store_some(y + i, value<T, F>(load_some(x + i, lanes), alpha), lanes);
    });
}
template <class T, Activation F>
void backward_as(T alpha, int64_t n, int team, const T* gy, const T* saved, T* gx) noexcept {
    sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> g = load_some(gy + i, lanes), s = load_some(saved + i, lanes);
        store_some(gx + i, gradient<T, F>(g, s, alpha), lanes);
    });
}

#define TG_FOR_EACH_ACTIVATION(X) \
    X(relu) X(relu6) X(leaky_relu) X(sigmoid) X(tanh) X(exp) X(silu) X(gelu) X(gelu_tanh)

template <class T>
void forward(Activation f, T alpha, int64_t n, int team, const T* x, T* y) noexcept {
    switch (f) {
#define TG_CASE(name)      \
    case Activation::name: \
        return forward_as<T, Activation::name>(alpha, n, team, x, y);
        TG_FOR_EACH_ACTIVATION(TG_CASE)
#undef TG_CASE
    }
}
template <class T>
void backward(Activation f, T alpha, int64_t n, int team, const T* gy, const T* saved,
              T* gx) noexcept {
    switch (f) {
#define TG_CASE(name)      \
    case Activation::name: \
        return backward_as<T, Activation::name>(alpha, n, team, gy, saved, gx);
        TG_FOR_EACH_ACTIVATION(TG_CASE)
#undef TG_CASE
    }
}

template <class T>
void dropout(T p, T scale, int64_t n, int team, const T* x, const T* draw, T* y) noexcept {
    sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> factor = select<T>(load_some(draw + i, lanes) >= p, splat(scale), Vec<T>{});
        store_some(y + i, load_some(x + i, lanes) * factor, lanes);
    });
}

template <class T>
void add(bool relu, int64_t n, int team, const T* a, const T* b, T* y) noexcept {
    sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> sum = load_some(a + i, lanes) + load_some(b + i, lanes);
        store_some(y + i, relu ? select<T>(sum < T(0), Vec<T>{}, sum) : sum, lanes);
    });
}

}  // namespace

const ElementwiseTable elementwise = {
    {forward<float>, backward<float>, dropout<float>, add<float>},
    {forward<double>, backward<double>, dropout<double>, add<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
