// Steps of optimizers, compiled per instruction set. Contract: kernels/optim.h.
#include "kernels/optim.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// sign g + decay w; a decay of 0 leaves w out, be it infinite.
template <class T>
TG_INLINE Vec<T> direction(Vec<T> g, Vec<T> w, T sign, T decay) {
    const Vec<T> along = g * sign;
    return decay == T(0) ? along : fma(w, splat(decay), along);
}

template <class T>
void sgd(const SgdStep<T>& s, int64_t n, int team, const T* g, T* w, T* v) noexcept {
    if (!v) {
        sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
            const Vec<T> at = load_some(w + i, lanes);
            const Vec<T> d = direction<T>(load_some(g + i, lanes), at, s.sign, s.decay);
            store_some(w + i, at - d * s.lr, lanes);
        });
        return;
    }
    sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> at = load_some(w + i, lanes);
        const Vec<T> d = direction<T>(load_some(g + i, lanes), at, s.sign, s.decay);
        const Vec<T> speed = fma(load_some(v + i, lanes), splat(s.momentum), d * s.keep);
        store_some(v + i, speed, lanes);
        const Vec<T> ahead = s.nesterov ? fma(speed, splat(s.momentum), d) : speed;
        store_some(w + i, at - ahead * s.lr, lanes);
    });
}

template <class T>
void adam(const AdamStep<T>& s, int64_t n, int team, const T* g, T* w, T* m, T* v,
          T* top) noexcept {
    sweep<T>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> at = load_some(w + i, lanes) * s.shrink;
        const Vec<T> d = direction<T>(load_some(g + i, lanes), at, s.sign, s.decay);
        const Vec<T> was = load_some(m + i, lanes);
        const Vec<T> mean = fma(d - was, splat(s.rest1), was);
        Vec<T> square = fma(load_some(v + i, lanes), splat(s.beta2), d * d * s.rest2);
        store_some(m + i, mean, lanes);
        store_some(v + i, square, lanes);
        if (top) {
            const Vec<T> highest = load_some(top + i, lanes);
            square = square <= highest ? highest : square;
            square = highest == highest ? square : highest;
            store_some(top + i, square, lanes);
        }
        const Vec<T> below = sqrt_lanes(square) / s.divisor + s.eps;
        store_some(w + i, at - mean * s.step / below, lanes);
    });
}

}  // namespace

const OptimTable optim = {{sgd<float>, adam<float>}, {sgd<double>, adam<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
