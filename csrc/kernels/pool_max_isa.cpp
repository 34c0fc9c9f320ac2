// Max pooling, compiled per instruction set. Contract: kernels/pool.h.
#include "kernels/pool_planes.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// One window, one tap after the other: the definition, and the way out for windows that hold a NaN
// or nothing above minus infinity.
template <class T, class A>
__attribute__((noinline)) void max_window(const Pool2dShape& g, const T* x, int64_t p, int64_t q,
                                          T* y, A* argmax) {
    T best = -T(__builtin_inf());
    int64_t at = -1;
    for (int64_t i = 0; i < g.kh; ++i) {
        const int64_t r = p * g.sh - g.ph + i * g.dh;
        if (r < 0 || r >= g.H) continue;
        for (int64_t j = 0; j < g.kw; ++j) {
            const int64_t c = q * g.sw - g.pw + j * g.dw;
            if (c < 0 || c >= g.W) continue;
            const T v = x[r * g.W + c];
            if (at < 0 || v > best || v != v) {
                best = v;
                at = i * g.kw + j;
            }
        }
    }
    *y = best;
    *argmax = A(at < 0 ? 0 : at);
}

// A sum beside the maximum finds NaNs at one addition a tap instead of a comparison and a mask
// operation; infinities of both signs are taken for NaNs, and cost time only.
template <class T, class A, int S, int K, bool kBordered>
void max_planes(const Pool2dShape& g, const PoolPlan& plan, const T* x, T* y, A* argmax,
                void* scratch) noexcept {
    const T lowest = -T(__builtin_inf());
    for_bands(g, plan, g.P, scratch, [&](int64_t plane, int64_t p0, int64_t p1, void* own) {
        const Band<T> band = band_of(g, plan, x, plane, p0, p1, lowest, own);
        for (int64_t p = p0; p < p1; ++p) {
            const int64_t out = (plane * g.P + p) * g.Q;
            for_runs<T>(g.Q, [&](int64_t q, int n) TG_INLINE_LAMBDA {
                Vec<T> best = splat(lowest), sum = {};
                IVec<T> at = {};
                const auto take = [&](int64_t tap, Vec<T> v) TG_INLINE_LAMBDA {
                    const IVec<T> above = v > best;
                    best = above ? v : best;
                    at = above ? splat(Int<T>(tap)) : at;
                    sum += v;
                };
                for_taps<T, S, K, kBordered>(g, band, p - p0, q, n, take);
                store_some(y + out + q, best, n);
                store_index<Int<T>>(argmax + out + q, at, n);
                unsigned odd = lane_bits((best == splat(lowest)) | (sum != sum)) & ((1u << n) - 1u);
                for (; odd; odd &= odd - 1) {
                    const int64_t o = q + __builtin_ctz(odd);
                    max_window(g, x + plane * g.H * g.W, p, o, y + out + o, argmax + out + o);
                }
            });
        }
    });
}

// One window of as many planes as there are lanes; false if it must be done again with kNan: NaNs win
// then, the last of them. A sum finds them, as above.
template <class T, bool kNan>
TG_INLINE bool max_lanes(const Pool2dShape& g, const Window& w, const T* x, T* y, Int<T>* argmax) {
    constexpr int L = kLanes<T>;
    const bool any = w.rows.from < w.rows.to && w.columns.from < w.columns.to;
    Vec<T> best = splat(-T(__builtin_inf())), sum = {};
    IVec<T> at = splat(Int<T>(any ? w.rows.from * g.kw + w.columns.from : 0));
    for_inside(g, w, [&](int64_t tap, int64_t element) TG_INLINE_LAMBDA {
        const Vec<T> v = load(x + element * L);
        const IVec<T> here = splat(Int<T>(tap)), above = kNan ? (v > best) | (v != v) : v > best;
        best = above ? v : best;
        at = above ? here : at;
        sum += v;
    });
    store(y, best);
    store(argmax, at);
    return lane_bits(sum != sum) == 0;
}

template <class T, class A>
void max_groups(const Pool2dShape& g, const PoolPlan& plan, const T* x, T* y, A* argmax,
                void* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t in = g.H * g.W, out = g.P * g.Q;
    for_groups<T>(g, plan, scratch, [&](int64_t plane, int planes, T* own) {
        T* to = own + in * L;
        Int<T>* at = reinterpret_cast<Int<T>*>(to + out * L);
        turn_in<T>(planes, in, own, [&](int64_t i, int n) TG_INLINE_LAMBDA {
            return load_some(x + plane * in + i, n);
        });
        for_windows(g, [&](int64_t p, int64_t q, const Window& w) TG_INLINE_LAMBDA {
            const int64_t o = (p * g.Q + q) * L;
            if (!max_lanes<T, false>(g, w, own, to + o, at + o)) {
                max_lanes<T, true>(g, w, own, to + o, at + o);
            }
        });
        turn_out<T>(planes, out, to, [&](int64_t i, int n, Vec<T> v) TG_INLINE_LAMBDA {
            store_some(y + plane * out + i, v, n);
        });
        turn_out<Int<T>>(planes, out, at, [&](int64_t i, int n, IVec<T> v) TG_INLINE_LAMBDA {
            store_index<Int<T>>(argmax + plane * out + i, v, n);
        });
    });
}

template <class T, class A, int S, int K>
void max_rows(const Pool2dShape& g, const PoolPlan& plan, const T* x, T* y, A* argmax,
              void* scratch) noexcept {
    if (plan.bordered) return max_planes<T, A, S, K, true>(g, plan, x, y, argmax, scratch);
    max_planes<T, A, S, K, false>(g, plan, x, y, argmax, scratch);
}

template <class T, class A>
void max_forward(const Pool2dShape& g, const PoolPlan& plan, const T* x, T* y, A* argmax,
                 void* scratch) noexcept {
    if (plan.pass == PoolPass::planes) return max_groups(g, plan, x, y, argmax, scratch);
    if constexpr (sizeof(A) == 1) {
        if (is_square(g, 2, 2)) return max_rows<T, A, 2, 2>(g, plan, x, y, argmax, scratch);
        if (is_square(g, 3, 2)) return max_rows<T, A, 2, 3>(g, plan, x, y, argmax, scratch);
    }
    if (g.sw == 1) return max_rows<T, A, 1, 0>(g, plan, x, y, argmax, scratch);
    if (g.sw == 2) return max_rows<T, A, 2, 0>(g, plan, x, y, argmax, scratch);
    max_rows<T, A, 0, 0>(g, plan, x, y, argmax, scratch);
}

template <class T, class A>
void max_pair_planes(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const A* argmax,
                     T* gx) noexcept {
    for_bands(g, plan, g.H, nullptr, [&](int64_t plane, int64_t r0, int64_t r1, void*) {
        const auto load = [&](int64_t p, int64_t q, int n, Vec<T>& v, IVec<T>& at)
                              TG_INLINE_LAMBDA {
                                  const int64_t from = (plane * g.P + p) * g.Q + q;
                                  v = load_some(gy + from, n);
                                  at = load_index<Int<T>>(argmax + from, n);
                              };
        spread_pairs<T, true>(g, r0, r1, gx + plane * g.H * g.W, load);
    });
}

template <class T, class A, int S, int K, int Pad>
void max_gather_planes(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const A* argmax,
                       T* gx, void* scratch) noexcept {
    for_bands(g, plan, g.H, scratch, [&](int64_t plane, int64_t r0, int64_t r1, void* own) {
        const auto load_windows = [&](int64_t p, int64_t q, int n, Vec<T>& v, IVec<T>& at)
                                      TG_INLINE_LAMBDA {
                                          const int64_t from = (plane * g.P + p) * g.Q + q;
                                          v = load_some(gy + from, n);
                                          at = load_index<Int<T>>(argmax + from, n);
                                      };
        const Windows<T> w = windows_of<T, S, true>(g, plan, r0, r1, own, load_windows);
        for (int64_t r = r0; r < r1; ++r) {
            gather_row<T, S, K, Pad, true>(g, w, r, gx + (plane * g.H + r) * g.W);
        }
    });
}

// The element that argmax names, or -1 where it names padding or no tap.
template <class A>
TG_INLINE int64_t named_element(const Pool2dShape& g, int64_t p, int64_t q, A at) {
    if (at < 0 || at >= g.kh * g.kw) return -1;
    const int64_t r = p * g.sh - g.ph + at / g.kw * g.dh;
    const int64_t c = q * g.sw - g.pw + at % g.kw * g.dw;
    return r < 0 || r >= g.H || c < 0 || c >= g.W ? -1 : r * g.W + c;
}

template <class T, class A>
void max_scatter_planes(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const A* argmax,
                        T* gx) noexcept {
    for_bands(g, plan, g.H, nullptr, [&](int64_t plane, int64_t, int64_t, void*) {
        T* out = gx + plane * g.H * g.W;
        memset(out, 0, size_t(g.H * g.W) * sizeof(T));
        for (int64_t p = 0; p < g.P; ++p) {
            for (int64_t q = 0; q < g.Q; ++q) {
                const int64_t from = (plane * g.P + p) * g.Q + q;
                const int64_t to = named_element(g, p, q, argmax[from]);
                if (to >= 0) out[to] += gy[from];
            }
        }
    });
}

template <class T, class A>
void max_spread_groups(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const A* argmax,
                       T* gx, void* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t in = g.H * g.W, out = g.P * g.Q;
    for_groups<T>(g, plan, scratch, [&](int64_t plane, int planes, T* own) {
        T* grad = own + in * L;
        Int<T>* at = reinterpret_cast<Int<T>*>(grad + out * L);
        turn_in<T>(planes, out, grad, [&](int64_t i, int n) TG_INLINE_LAMBDA {
            return load_some(gy + plane * out + i, n);
        });
        turn_in<Int<T>>(planes, out, at, [&](int64_t i, int n) TG_INLINE_LAMBDA {
            return load_index<Int<T>>(argmax + plane * out + i, n);
        });
        for (int64_t i = 0; i < in; ++i) store(own + i * L, Vec<T>{});
        for_windows(g, [&](int64_t p, int64_t q, const Window& w) TG_INLINE_LAMBDA {
            const int64_t o = (p * g.Q + q) * L;
            const Vec<T> v = load(grad + o);
            const IVec<T> named = load(at + o);
            for_inside(g, w, [&](int64_t tap, int64_t element) TG_INLINE_LAMBDA {
                T* to = own + element * L;
                store(to, load(to) + (named == splat(Int<T>(tap)) ? v : Vec<T>{}));
            });
        });
        turn_out<T>(planes, in, own, [&](int64_t i, int n, Vec<T> v) TG_INLINE_LAMBDA {
            store_some(gx + plane * in + i, v, n);
        });
    });
}

template <class T, class A>
void max_backward(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const A* argmax, T* gx,
                  void* scratch) noexcept {
    if (plan.pass == PoolPass::planes) {
        return max_spread_groups(g, plan, gy, argmax, gx, scratch);
    }
    if (plan.pass == PoolPass::scatter) return max_scatter_planes(g, plan, gy, argmax, gx);
    if constexpr (sizeof(A) == 1) {
        if (plan.pass == PoolPass::pairs) return max_pair_planes(g, plan, gy, argmax, gx);
        if (is_square(g, 3, 2) && g.ph == 1 && g.pw == 1) {
            return max_gather_planes<T, A, 2, 3, 1>(g, plan, gy, argmax, gx, scratch);
        }
    }
    if (g.sw == 2) return max_gather_planes<T, A, 2, 0, -1>(g, plan, gy, argmax, gx, scratch);
    max_gather_planes<T, A, 1, 0, -1>(g, plan, gy, argmax, gx, scratch);
}

template <class T, class A>
void max_take(const Pool2dShape& g, const PoolPlan& plan, const T* x, const A* argmax,
              T* y) noexcept {
    for_bands(g, plan, g.P, nullptr, [&](int64_t plane, int64_t p0, int64_t p1, void*) {
        for (int64_t p = p0; p < p1; ++p) {
            for (int64_t q = 0; q < g.Q; ++q) {
                const int64_t to = (plane * g.P + p) * g.Q + q;
                const int64_t from = named_element(g, p, q, argmax[to]);
                y[to] = from < 0 ? T(0) : x[plane * g.H * g.W + from];
            }
        }
    });
}

}  // namespace

const MaxPoolTable max_pool = {
    {max_forward<float, uint8_t>, max_backward<float, uint8_t>, max_take<float, uint8_t>},
    {max_forward<float, int32_t>, max_backward<float, int32_t>, max_take<float, int32_t>},
    {max_forward<double, uint8_t>, max_backward<double, uint8_t>, max_take<double, uint8_t>},
    {max_forward<double, int32_t>, max_backward<double, int32_t>, max_take<double, int32_t>},
};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
