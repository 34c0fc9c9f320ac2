// Average pooling, compiled per instruction set. Contract: kernels/pool.h.
#include "kernels/pool_planes.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

template <class T, int S, int K, bool kBordered>
void avg_row_planes(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
                    const T* col_count, T* y, void* scratch) noexcept {
    for_bands(g, plan, g.P, scratch, [&](int64_t plane, int64_t p0, int64_t p1, void* own) {
        const Band<T> band = band_of(g, plan, x, plane, p0, p1, T(0), own);
        for (int64_t p = p0; p < p1; ++p) {
            T* out = y + (plane * g.P + p) * g.Q;
            for_runs<T>(g.Q, [&](int64_t q, int n) TG_INLINE_LAMBDA {
                Vec<T> sum = {};
                const auto add = [&](int64_t, Vec<T> v) TG_INLINE_LAMBDA { sum += v; };
                for_taps<T, S, K, kBordered>(g, band, p - p0, q, n, add);
                const Vec<T> count = splat(row_count[p]) * load_some(col_count + q, n);
                store_some(out + q, sum / count, n);
            });
        }
    });
}

// The sum of `count` neighbours, added to `sum` lane by lane.
template <class T>
TG_INLINE Vec<T> add_run(Vec<T> sum, const T* x, int64_t count) {
    constexpr int L = kLanes<T>;
    for (; count >= L; count -= L, x += L) sum += load(x);
    return count > 0 ? sum + load_n(x, int(count)) : sum;
}

// f(r0, r1, c0, c1) for the part of window (p, q) that lies in the plane.
template <class F>
TG_INLINE void for_part(const Pool2dShape& g, int64_t p, int64_t q, const F& f) {
    const int64_t r = p * g.sh - g.ph, c = q * g.sw - g.pw;
    f(larger(0, r), smaller(g.H, r + g.kh), larger(0, c), smaller(g.W, c + g.kw));
}

template <class T>
void avg_window_planes(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
                       const T* col_count, T* y) noexcept {
    for_bands(g, plan, g.P, nullptr, [&](int64_t plane, int64_t p0, int64_t p1, void*) {
        for (int64_t p = p0; p < p1; ++p) {
            for (int64_t q = 0; q < g.Q; ++q) {
                Vec<T> sum = {};
                for_part(g, p, q, [&](int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
                    const T* from = x + (plane * g.H + r0) * g.W + c0;
                    if (c1 - c0 == g.W) {  // whole rows are one run
                        sum = add_run(sum, from, (r1 - r0) * g.W);
                    } else {
                        for (int64_t r = r0; r < r1; ++r, from += g.W) {
                            sum = add_run(sum, from, c1 - c0);
                        }
                    }
                });
                y[(plane * g.P + p) * g.Q + q] = sum_lanes<T>(sum) / (row_count[p] * col_count[q]);
            }
        }
    });
}

template <class T>
void avg_groups(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
                const T* col_count, T* y, void* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t in = g.H * g.W, out = g.P * g.Q;
    for_groups<T>(g, plan, scratch, [&](int64_t plane, int planes, T* own) {
        T* to = own + in * L;
        turn_in<T>(planes, in, own, [&](int64_t i, int n) TG_INLINE_LAMBDA {
            return load_some(x + plane * in + i, n);
        });
        for_windows(g, [&](int64_t p, int64_t q, const Window& w) TG_INLINE_LAMBDA {
            Vec<T> sum = {};
            for_inside(g, w, [&](int64_t, int64_t element) TG_INLINE_LAMBDA {
                sum += load(own + element * L);
            });
            store(to + (p * g.Q + q) * L, sum / splat(row_count[p] * col_count[q]));
        });
        turn_out<T>(planes, out, to, [&](int64_t i, int n, Vec<T> v) TG_INLINE_LAMBDA {
            store_some(y + plane * out + i, v, n);
        });
    });
}

// 2 x 2 windows that touch, over planes of an even number of rows of W = 2G columns, W a power of two
// up to the lanes: all planes are one run, of which four vectors give one. Groups of G lanes are rows of
// sums of neighbours. 64x256x8x8, both ways, one thread of a Zen 4, AVX-512: 220 us, 970 by planes.
template <int G, int Odd, class V, int... I>
TG_INLINE V every_second_group(V a, V b, Lanes<I...>) {
    return __builtin_shufflevector(a, b, ((2 * (I / G) + Odd) * G + I % G)...);
}
// (a0, b0, a1, b1, ...) of groups of G lanes: the lower or the upper half.
template <int G, int High, class V, int... I>
TG_INLINE V zip_groups(V a, V b, Lanes<I...>) {
    constexpr int L = int(sizeof...(I));
    return __builtin_shufflevector(
        a, b, (I / G % 2 * L + (High * (L / 2 / G) + I / G / 2) * G + I % G)...);
}
template <class T>
using AllLanes = typename MakeLanes<kLanes<T>>::type;

template <class T>
TG_INLINE bool is_one_run(const Pool2dShape& g) {
    return is_square(g, 2, 2) && g.ph + g.pw == 0 && g.H % 2 == 0 && g.W >= 2 && g.W <= kLanes<T> &&
           (g.W & (g.W - 1)) == 0;
}
// f(G) as a type for the width of g.
template <int G>
struct Half {
    static constexpr int value = G;
};
template <class T, class F>
TG_INLINE void with_half_width(const Pool2dShape& g, const F& f) {
    switch (g.W) {
        case 2:
            return f(Half<1>());
        case 4:
            if constexpr (kLanes<T> >= 4) return f(Half<2>());
            break;
        case 8:
            if constexpr (kLanes<T> >= 8) return f(Half<4>());
            break;
        case 16:
            if constexpr (kLanes<T> >= 16) return f(Half<8>());
            break;
    }
}

// `count`: elements that a window divides by, the same for all.
template <class T>
void avg_run(const Pool2dShape& g, const PoolPlan& plan, const T* x, T count, T* y) noexcept {
    constexpr int L = kLanes<T>;
    with_half_width<T>(g, [&](auto half) {
        constexpr int G = decltype(half)::value;
        sweep<T>(g.planes * g.P * g.Q, plan.team, [=](int64_t i, int n) TG_INLINE_LAMBDA {
            Vec<T> v[4], sums[2];
            TG_UNROLL
            for (int k = 0; k < 4; ++k) {
                v[k] = load_some(x + 4 * i + k * L, int(smaller(L, larger(0, 4 * n - k * L))));
            }
            TG_UNROLL
            for (int k = 0; k < 2; ++k) {
                sums[k] = even_lanes(v[2 * k], v[2 * k + 1]) + odd_lanes(v[2 * k], v[2 * k + 1]);
            }
            const Vec<T> sum = every_second_group<G, 0>(sums[0], sums[1], AllLanes<T>()) +
                               every_second_group<G, 1>(sums[0], sums[1], AllLanes<T>());
            store_some(y + i, sum / splat(count), n);
        });
    });
}
template <class T>
void avg_spread_run(const Pool2dShape& g, const PoolPlan& plan, const T* gy, T count,
                    T* gx) noexcept {
    constexpr int L = kLanes<T>;
    with_half_width<T>(g, [&](auto half) {
        constexpr int W = 2 * decltype(half)::value;
        sweep<T>(g.planes * g.P * g.Q, plan.team, [=](int64_t i, int n) TG_INLINE_LAMBDA {
            const Vec<T> share = load_some(gy + i, n) / splat(count);
            const Vec<T> low = zip_low(share, share), high = zip_high(share, share);
            Vec<T> v[4];
            if constexpr (W == L) {
                v[0] = v[1] = low;
                v[2] = v[3] = high;
            } else {
                v[0] = zip_groups<W, 0>(low, low, AllLanes<T>());
                v[1] = zip_groups<W, 1>(low, low, AllLanes<T>());
                v[2] = zip_groups<W, 0>(high, high, AllLanes<T>());
                v[3] = zip_groups<W, 1>(high, high, AllLanes<T>());
            }
            TG_UNROLL
            for (int k = 0; k < 4; ++k) {
                store_some(gx + 4 * i + k * L, v[k], int(smaller(L, larger(0, 4 * n - k * L))));
            }
        });
    });
}

template <class T, int S, int K>
void avg_rows(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
              const T* col_count, T* y, void* scratch) noexcept {
    if (plan.bordered) {
        avg_row_planes<T, S, K, true>(g, plan, x, row_count, col_count, y, scratch);
    } else {
        avg_row_planes<T, S, K, false>(g, plan, x, row_count, col_count, y, scratch);
    }
}

template <class T>
void avg_forward(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
                 const T* col_count, T* y, void* scratch) noexcept {
    if (is_one_run<T>(g)) {
        avg_run(g, plan, x, row_count[0] * col_count[0], y);
    } else if (plan.pass == PoolPass::planes) {
        avg_groups(g, plan, x, row_count, col_count, y, scratch);
    } else if (plan.pass == PoolPass::window) {
        avg_window_planes(g, plan, x, row_count, col_count, y);
    } else if (is_square(g, 2, 2)) {
        avg_rows<T, 2, 2>(g, plan, x, row_count, col_count, y, scratch);
    } else if (is_square(g, 3, 2)) {
        avg_rows<T, 2, 3>(g, plan, x, row_count, col_count, y, scratch);
    } else if (g.sw == 2) {
        avg_rows<T, 2, 0>(g, plan, x, row_count, col_count, y, scratch);
    } else {
        avg_rows<T, 1, 0>(g, plan, x, row_count, col_count, y, scratch);
    }
}

template <class T>
void avg_pair_planes(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const T* row_count,
                     const T* col_count, T* gx) noexcept {
    for_bands(g, plan, g.H, nullptr, [&](int64_t plane, int64_t r0, int64_t r1, void*) {
        const auto load = [&](int64_t p, int64_t q, int n, Vec<T>& v, IVec<T>&) TG_INLINE_LAMBDA {
            v = load_some(gy + (plane * g.P + p) * g.Q + q, n) /
                (splat(row_count[p]) * load_some(col_count + q, n));
        };
        spread_pairs<T, false>(g, r0, r1, gx + plane * g.H * g.W, load);
    });
}

template <class T, int S, int K, int Pad>
void avg_gather_planes(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const T* row_count,
                       const T* col_count, T* gx, void* scratch) noexcept {
    for_bands(g, plan, g.H, scratch, [&](int64_t plane, int64_t r0, int64_t r1, void* own) {
        const auto load_windows = [&](int64_t p, int64_t q, int n, Vec<T>& v, IVec<T>&)
                                      TG_INLINE_LAMBDA {
                                          v = load_some(gy + (plane * g.P + p) * g.Q + q, n) /
                                              (splat(row_count[p]) * load_some(col_count + q, n));
                                      };
        const Windows<T> w = windows_of<T, S, false>(g, plan, r0, r1, own, load_windows);
        for (int64_t r = r0; r < r1; ++r) {
            gather_row<T, S, K, Pad, false>(g, w, r, gx + (plane * g.H + r) * g.W);
        }
    });
}

template <class T>
void avg_scatter_planes(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const T* row_count,
                        const T* col_count, T* gx) noexcept {
    for_bands(g, plan, g.H, nullptr, [&](int64_t plane, int64_t, int64_t, void*) {
        T* out = gx + plane * g.H * g.W;
        memset(out, 0, size_t(g.H * g.W) * sizeof(T));
        for (int64_t p = 0; p < g.P; ++p) {
            for (int64_t q = 0; q < g.Q; ++q) {
                const T grad = gy[(plane * g.P + p) * g.Q + q] / (row_count[p] * col_count[q]);
                for_part(g, p, q, [&](int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
                    for (int64_t r = r0; r < r1; ++r) {
                        for (int64_t c = c0; c < c1; ++c) out[r * g.W + c] += grad;
                    }
                });
            }
        }
    });
}

template <class T>
void avg_spread_groups(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const T* row_count,
                       const T* col_count, T* gx, void* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t in = g.H * g.W, out = g.P * g.Q;
    for_groups<T>(g, plan, scratch, [&](int64_t plane, int planes, T* own) {
        T* grad = own + in * L;
        turn_in<T>(planes, out, grad, [&](int64_t i, int n) TG_INLINE_LAMBDA {
            return load_some(gy + plane * out + i, n);
        });
        for (int64_t i = 0; i < in; ++i) store(own + i * L, Vec<T>{});
        for_windows(g, [&](int64_t p, int64_t q, const Window& w) TG_INLINE_LAMBDA {
            const Vec<T> share =
                load(grad + (p * g.Q + q) * L) / splat(row_count[p] * col_count[q]);
            for_inside(g, w, [&](int64_t, int64_t element) TG_INLINE_LAMBDA {
                T* to = own + element * L;
                store(to, load(to) + share);
            });
        });
        turn_out<T>(planes, in, own, [&](int64_t i, int n, Vec<T> v) TG_INLINE_LAMBDA {
            store_some(gx + plane * in + i, v, n);
        });
    });
}

template <class T>
void avg_backward(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const T* row_count,
                  const T* col_count, T* gx, void* scratch) noexcept {
    if (is_one_run<T>(g)) {
        avg_spread_run(g, plan, gy, row_count[0] * col_count[0], gx);
    } else if (plan.pass == PoolPass::planes) {
        avg_spread_groups(g, plan, gy, row_count, col_count, gx, scratch);
    } else if (plan.pass == PoolPass::scatter) {
        avg_scatter_planes(g, plan, gy, row_count, col_count, gx);
    } else if (plan.pass == PoolPass::pairs) {
        avg_pair_planes(g, plan, gy, row_count, col_count, gx);
    } else if (is_square(g, 3, 2) && g.ph == 1 && g.pw == 1) {
        avg_gather_planes<T, 2, 3, 1>(g, plan, gy, row_count, col_count, gx, scratch);
    } else if (g.sw == 2) {
        avg_gather_planes<T, 2, 0, -1>(g, plan, gy, row_count, col_count, gx, scratch);
    } else {
        avg_gather_planes<T, 1, 0, -1>(g, plan, gy, row_count, col_count, gx, scratch);
    }
}

}  // namespace

const AvgPoolTable avg_pool = {
    {avg_forward<float>, avg_backward<float>},
    {avg_forward<double>, avg_backward<double>},
};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
