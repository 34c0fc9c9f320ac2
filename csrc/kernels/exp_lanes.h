// exp, log, tanh, the logistic function and the normal distribution's, lane by lane. Hot sources only.
//   e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2; e^r is its Taylor series, whose first
//   term left out is below 2^-26 (float) or 2^-57. ln 2 is subtracted in two parts, the first short
//   enough for n ln2_hi to be exact (Cody & Waite 1980, "Software manual for the elementary functions").
//   Errors in units of the last place, against float64 or long double: exp 1.5, tanh 3, logistic 3.5;
//   of 1: normal_below 4 (tests/backends/test_elementwise.py holds them).
//   NaN gives NaN; -inf and inf give the limits; results below the smallest normal number are rounded
//   as all others.
#pragma once

#include "simd/lanes.h"

namespace tinygrad_cv {
namespace TG_ISA {

template <class T>
struct ExpOf;
template <>
struct ExpOf<float> {
    static constexpr float log2e = 1.44269504088896341f, ln2_hi = 0.693359375f,
                           ln2_lo = -2.12194440e-4f;
    static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole
    static constexpr float lowest = -104.0f, highest = 89.0f;  // beyond: 0 and infinity
    static constexpr float flat = 10.0f;                       // tanh is 1 from here on
    static constexpr int bias = 127, mantissa = 23, terms = 7, log_terms = 5;
};
template <>
struct ExpOf<double> {
    static constexpr double log2e = 1.44269504088896340736, ln2_hi = 6.93147180369123816490e-01,
                            ln2_lo = 1.90821492927058770002e-10;
    static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr double lowest = -746.0, highest = 710.0;
    static constexpr double flat = 20.0;
    static constexpr int bias = 1023, mantissa = 52, terms = 13, log_terms = 11;
};

// mask ? a : b for the result of a comparison.
template <class T>
TG_INLINE Vec<T> select(IVec<T> mask, Vec<T> a, Vec<T> b) {
    return mask ? a : b;
}
template <class T>
TG_INLINE Vec<T> magnitude(Vec<T> x) {
    return (Vec<T>)((IVec<T>)x & (IVec<T>)~(IVec<T>)splat<T>(T(-0.0)));
}
template <class T>
TG_INLINE Vec<T> with_sign_of(Vec<T> size, Vec<T> x) {
    return (Vec<T>)((IVec<T>)size | ((IVec<T>)x & (IVec<T>)splat<T>(T(-0.0))));
}

template <class T>
TG_INLINE Vec<T> power_of_two(IVec<T> n) {
    return (Vec<T>)((n + Int<T>(ExpOf<T>::bias)) << Int<T>(ExpOf<T>::mantissa));
}

// x = n ln 2 + r; gives e^r - 1.
template <class T>
TG_INLINE Vec<T> exp_reduced(Vec<T> x, IVec<T>* n) {
    typedef ExpOf<T> E;
    const Vec<T> rounded = fma(x, splat(E::log2e), splat(E::magic));
    *n = (IVec<T>)rounded - (IVec<T>)splat(E::magic);
    const Vec<T> whole = rounded - splat(E::magic);
    Vec<T> r = fma(whole, splat(-E::ln2_hi), x);
    r = fma(whole, splat(-E::ln2_lo), r);
    T factor[E::terms + 1];  // 1 / k!
    factor[0] = 1;
    TG_UNROLL
    for (int k = 1; k <= E::terms; ++k) factor[k] = factor[k - 1] / T(k);
    Vec<T> q = splat(factor[E::terms]);
    TG_UNROLL
    for (int k = E::terms - 1; k >= 2; --k) q = fma(q, r, splat(factor[k]));
    return fma(r * r, q, r);
}

template <class T>
TG_INLINE Vec<T> exp_lanes(Vec<T> x) {
    typedef ExpOf<T> E;
    x = select<T>(x < E::lowest, splat(E::lowest), x);
    x = select<T>(x > E::highest, splat(E::highest), x);
    IVec<T> n;
    const Vec<T> y = exp_reduced<T>(x, &n) + T(1);
    const IVec<T> half = n >> Int<T>(1);  // 2^n itself may have no normal form
    return y * power_of_two<T>(half) * power_of_two<T>(n - half);
}

// The natural logarithm of normal numbers above 0, error 2 units of the last place; NaN gives NaN.
//   x = 2^k m with m from sqrt(1/2) to sqrt(2); ln m = 2 artanh((m - 1) / (m + 1)) by its series.
template <class T>
TG_INLINE Vec<T> log_lanes(Vec<T> x) {
    typedef ExpOf<T> E;
    const T root_half = T(0.70710678118654752440);
    const IVec<T> k = ((IVec<T>)x - (IVec<T>)splat(root_half)) >> Int<T>(E::mantissa);
    const Vec<T> m = (Vec<T>)((IVec<T>)x - (k << Int<T>(E::mantissa)));
    const Vec<T> s = (m - T(1)) / (m + T(1)), square = s * s;
    Vec<T> q = splat(T(1) / T(2 * E::log_terms + 1));
    TG_UNROLL
    for (int i = E::log_terms - 1; i >= 1; --i) q = fma(q, square, splat(T(1) / T(2 * i + 1)));
    const Vec<T> whole = __builtin_convertvector(k, Vec<T>);
    const Vec<T> rest = fma(whole, splat(E::ln2_lo), (s + s) * (q * square));
    return select<T>(x == x, fma(whole, splat(E::ln2_hi), s + s + rest), x);
}

// (e^2a - 1) / (e^2a + 1) of the magnitude, where nothing cancels.
template <class T>
TG_INLINE Vec<T> tanh_lanes(Vec<T> x) {
    typedef ExpOf<T> E;
    Vec<T> a = magnitude<T>(x);
    a = select<T>(a > E::flat, splat(E::flat), a);
    IVec<T> n;
    const Vec<T> p = exp_reduced<T>(a + a, &n);
    const Vec<T> scale = power_of_two<T>(n);
    const Vec<T> less_one = fma(scale, p, scale - T(1));
    return with_sign_of<T>(less_one / (less_one + T(2)), x);
}

template <class T>
TG_INLINE Vec<T> sigmoid_lanes(Vec<T> x) {
    const Vec<T> e = exp_lanes<T>(-magnitude<T>(x));
    const Vec<T> upper = T(1) / (e + T(1));
    return select<T>(x < T(0), e * upper, upper);
}

template <class T, int K>
TG_INLINE Vec<T> polynomial(const double (&c)[K], Vec<T> t) {
    Vec<T> y = splat(T(c[0]));
    TG_UNROLL
    for (int k = 1; k < K; ++k) y = fma(y, t, splat(T(c[k])));
    return y;
}

// The share of the standard normal distribution below x. Tails without cancellation: for
// t = |x| / sqrt 2 >= 0.46875, erfc t = e^(-t^2) P(t) / Q(t); else erf t = t P(t^2) / Q(t^2).
//   Cody 1969, "Rational Chebyshev approximations for the error function", Math. Comp. 23.
template <class T>
TG_INLINE Vec<T> normal_below(Vec<T> x) {
    constexpr double near_p[] = {1.85777706184603153e-1, 3.16112374387056560e0,
                                 1.13864154151050156e2, 3.77485237685302021e2,
                                 3.20937758913846947e3};
    constexpr double near_q[] = {1.0, 2.36012909523441209e1, 2.44024637934444173e2,
                                 1.28261652607737228e3, 2.84423683343917062e3};
    constexpr double far_p[] = {
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
        6.61191906371416295e1,  2.98635138197400131e2,  8.81952221241769090e2,
        1.71204761263407058e3,  2.05107837782607147e3,  1.23033935479799725e3};
    constexpr double far_q[] = {1.0,
                                1.57449261107098347e1,
                                1.17693950891312499e2,
                                5.37181101862009858e2,
                                1.62138957456669019e3,
                                3.29079923573345963e3,
                                4.36261909014324716e3,
                                3.43936767414372164e3,
                                1.23033935480374942e3};
    const Vec<T> t = x * T(0.70710678118654752440);
    Vec<T> size = magnitude<T>(t);
    size = select<T>(size > T(30), splat(T(30)), size);  // the tail is 0 there already
    const Vec<T> square = t * t;
    const Vec<T> erf = t * polynomial<T>(near_p, square) / polynomial<T>(near_q, square);
    const Vec<T> tail = exp_lanes<T>(-size * size) * polynomial<T>(far_p, size) /
                        polynomial<T>(far_q, size) * T(0.5);
    const Vec<T> far = select<T>(x < T(0), tail, T(1) - tail);
    return select<T>(size < T(0.46875), erf * T(0.5) + T(0.5), far);
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
