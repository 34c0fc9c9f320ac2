// Pooling kernels, compiled per instruction set. Contract: kernels/pool.h.
//
// A unit of work is a band of rows of one plane, whose input fits the first-level or second-level
// cache. Where windows reach into padding, or several windows share an element, the band's input is
// first copied into scratch with a border around it, so that no inner loop asks where it is: with
// tests at every load, rows of 10 to 28 columns took 3 to 5 times as long.
#include "kernels/pool.h"
#include "runtime/parallel.h"
#include "simd/lanes.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

TG_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TG_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
// Division by S, 1 or 2, towards minus infinity.
template <int S>
TG_INLINE int64_t floor_div(int64_t a) {
    return S == 1 ? a : a >> 1;
}
template <int S>
TG_INLINE int64_t ceil_div(int64_t a) {
    return S == 1 ? a : (a + 1) >> 1;
}

// A kernel of k x k, stride s, no dilation.
TG_INLINE bool is_square(const Pool2dShape& g, int64_t k, int64_t s) {
    return g.kh == k && g.kw == k && g.sh == s && g.sw == s && g.dh == 1 && g.dw == 1;
}

// f(plane, first row, end row, scratch) for every band of `rows` rows of every plane.
template <class F>
TG_INLINE void for_bands(const Pool2dShape& g, const PoolPlan& plan, int64_t rows, void* scratch,
                         const F& f) noexcept {
    const int64_t bands = (rows + plan.band - 1) / plan.band;
    const int64_t units = g.planes * bands;
    parallel_for_dynamic((units + plan.block - 1) / plan.block, plan.team,
                         [&](int64_t job, int thread) {
                             char* own = static_cast<char*>(scratch) + thread * plan.scratch_bytes;
                             const int64_t end = smaller(units, (job + 1) * plan.block);
                             for (int64_t unit = job * plan.block; unit < end; ++unit) {
                                 const int64_t first = unit % bands * plan.band;
                                 f(unit / bands, first, smaller(rows, first + plan.band), own);
                             }
                         });
}

// f(first, n) for runs of up to kLanes<T> of `count` columns; a row of at least one vector has only
// full runs, the last one moved back.
template <class T, class F>
TG_INLINE void for_runs(int64_t count, const F& f) {
    constexpr int L = kLanes<T>;
    if (count < L) {
        f(int64_t(0), int(count));
        return;
    }
    for (int64_t q = 0; q < count; q += L) f(smaller(q, count - L), L);
}

// ---- forward: lanes along the output row ----

// The input of a band of output rows: element (r, c) of the padded plane, r counted from the first
// row of the band's first window, is at[r * pitch + c]. Nothing at or behind `end` may be read.
template <class T>
struct Band {
    const T* at;
    int64_t pitch;
    const T* end;
};

template <class T>
TG_INLINE Band<T> band_of(const Pool2dShape& g, const PoolPlan& plan, const T* x, int64_t plane,
                          int64_t p0, int64_t p1, T fill, void* scratch) {
    const T* from = x + plane * g.H * g.W;
    const int64_t top = p0 * g.sh - g.ph;
    if (!plan.bordered) return {from + top * g.W, g.W, x + g.planes * g.H * g.W};
    const int64_t rows = (p1 - 1 - p0) * g.sh + (g.kh - 1) * g.dh + 1;
    const int64_t pitch = plan.pitch;
    T* to = static_cast<T*>(scratch);
    for (int64_t r = top; r < top + rows; ++r, to += pitch) {
        for (int64_t c = 0; c < pitch; c += kLanes<T>) store(to + c, splat(fill));
        if (r < 0 || r >= g.H) continue;
        const T* row = from + r * g.W;
        for_runs<T>(g.W, [&](int64_t q, int n) TG_INLINE_LAMBDA {
            store_some(to + g.pw + q, load_some(row + q, n), n);
        });
    }
    return {static_cast<T*>(scratch), pitch, static_cast<T*>(scratch) + rows * pitch};
}

// A full vector where the band has one, else what is left of it.
template <class T>
TG_INLINE Vec<T> load_before(const T* p, const T* end) {
    constexpr int L = kLanes<T>;
    if (__builtin_expect(end - p >= L, 1)) return load(p);
    return end > p ? load_n(p, int(end - p)) : Vec<T>{};
}

// f(tap, values) for every tap, in row order, of the n windows q, q + 1, ... of output row p (counted
// from the band's first). S: the column stride if it is 1 or 2, else 0. K: the kernel's rows and
// columns if they are known (dilation is then 1), else 0.
template <class T, int S, int K, class F>
TG_INLINE void for_taps(const Pool2dShape& g, const Band<T>& band, int64_t p, int64_t q, int n,
                        const F& f) {
    constexpr int L = kLanes<T>;
    const int64_t kh = K ? K : g.kh, kw = K ? K : g.kw;
    const int64_t dh = K ? 1 : g.dh, dw = K ? 1 : g.dw;
    for (int64_t i = 0; i < kh; ++i) {
        const T* row = band.at + (p * g.sh + i * dh) * band.pitch + q * (S ? S : g.sw);
        int64_t j = 0;
        if (S == 2 && dw == 1) {  // two neighbouring taps are the even and the odd columns
            for (; j + 1 < kw; j += 2) {
                const Vec<T> a = load_before(row + j, band.end);
                const Vec<T> b = load_before(row + j + L, band.end);
                f(i * kw + j, even_lanes(a, b));
                f(i * kw + j + 1, odd_lanes(a, b));
            }
        }
        for (; j < kw; ++j) {
            const T* from = row + j * dw;
            Vec<T> v = {};
            if constexpr (S == 1) {
                v = load_before(from, band.end);
            } else if constexpr (S == 2) {
                v = even_lanes(load_before(from, band.end), load_before(from + L, band.end));
            } else {
                T lane[L] = {};
                for (int l = 0; l < n; ++l) lane[l] = from[l * g.sw];
                v = load(lane);
            }
            f(i * kw + j, v);
        }
    }
}

// ---- max, forward ----

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
template <class T, class A, int S, int K>
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
                for_taps<T, S, K>(g, band, p - p0, q, n, take);
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

template <class T, class A>
void max_forward(const Pool2dShape& g, const PoolPlan& plan, const T* x, T* y, A* argmax,
                 void* scratch) noexcept {
    if constexpr (sizeof(A) == 1) {
        if (is_square(g, 2, 2)) return max_planes<T, A, 2, 2>(g, plan, x, y, argmax, scratch);
        if (is_square(g, 3, 2)) return max_planes<T, A, 2, 3>(g, plan, x, y, argmax, scratch);
    }
    if (g.sw == 1) return max_planes<T, A, 1, 0>(g, plan, x, y, argmax, scratch);
    if (g.sw == 2) return max_planes<T, A, 2, 0>(g, plan, x, y, argmax, scratch);
    max_planes<T, A, 0, 0>(g, plan, x, y, argmax, scratch);
}

// ---- gradients, gathered: each element adds its windows in registers ----
// For stride S in both directions and no dilation. Element (r, c) is tap (i, j) of window (p, q)
// where p * S + i = r + ph and q * S + j = c + pw. Lanes are S columns apart, so that each of the S
// column phases reads neighbouring windows.

// The windows that a band of rows of gx needs, with a border of windows that give nothing.
template <class T>
struct Windows {
    const T* grad;     // divided already, for averages
    const Int<T>* at;  // argmax as wide as the numbers; null for averages
    int64_t pitch;
    int64_t first;  // window row of scratch row 0
    int64_t left;   // border windows on the left
};

// Copies the windows over rows r0 .. r1-1; row(p, q, n, v, k) gives n of them.
template <class T, int S, bool MAX, class F>
TG_INLINE Windows<T> windows_of(const Pool2dShape& g, const PoolPlan& plan, int64_t r0, int64_t r1,
                                void* scratch, const F& row) {
    constexpr int L = kLanes<T>;
    const int64_t first = ceil_div<S>(r0 + g.ph - (g.kh - 1));
    const int64_t last = floor_div<S>(r1 - 1 + g.ph);
    T* grad = static_cast<T*>(scratch);
    Int<T>* at = reinterpret_cast<Int<T>*>(static_cast<char*>(scratch) + plan.scratch_bytes / 2);
    for (int64_t p = first; p <= last; ++p) {
        T* to = grad + (p - first) * plan.pitch;
        Int<T>* at_to = at + (p - first) * plan.pitch;
        for (int64_t c = 0; c < plan.pitch; c += L) {
            store(to + c, Vec<T>{});
            if (MAX) store(at_to + c, splat(Int<T>(-1)));
        }
        if (p < 0 || p >= g.P) continue;
        for_runs<T>(g.Q, [&](int64_t q, int n) TG_INLINE_LAMBDA {
            Vec<T> v = {};
            IVec<T> k = {};
            row(p, q, n, v, k);
            store_some(to + plan.left + q, v, n);
            if (MAX) store_some(at_to + plan.left + q, k, n);
        });
    }
    return {grad, at, plan.pitch, first, plan.left};
}

// Row r of gx from its windows.
template <class T, int S, int K, bool MAX>
TG_INLINE void gather_row(const Pool2dShape& g, const Windows<T>& w, int64_t r, T* gx) {
    constexpr int L = kLanes<T>;
    const int64_t kh = K ? K : g.kh, kw = K ? K : g.kw;
    const int64_t i0 = (r + g.ph) & (S - 1);
    for (int64_t c = 0; c < g.W; c += S * L) {
        Vec<T> sum[S] = {};
        // Upper windows first, then left ones: i and j fall.
        for (int64_t i = i0 + (kh - 1 - i0) / S * S; i >= 0; i -= S) {
            const int64_t p = floor_div<S>(r + g.ph - i);
            const int64_t row = (p - w.first) * w.pitch + w.left + floor_div<S>(c);
            TG_UNROLL
            for (int phase = 0; phase < S; ++phase) {
                const int64_t j0 = (phase + g.pw) & (S - 1);
                for (int64_t j = j0 + (kw - 1 - j0) / S * S; j >= 0; j -= S) {
                    const int64_t from = row + floor_div<S>(phase + g.pw - j);
                    Vec<T> grad = load(w.grad + from);
                    if (MAX) {
                        const IVec<T> at = load(w.at + from);
                        grad = at == splat(Int<T>(i * kw + j)) ? grad : Vec<T>{};
                    }
                    sum[phase] += grad;
                }
            }
        }
        const int64_t room = g.W - c;
        if constexpr (S == 1) {
            store_some(gx + c, sum[0], int(smaller(room, L)));
        } else {
            store_some(gx + c, zip_low(sum[0], sum[1]), int(smaller(room, L)));
            if (room > L) {
                store_some(gx + c + L, zip_high(sum[0], sum[1]), int(smaller(room - L, L)));
            }
        }
    }
}

// ---- gradients of 2x2 windows that touch: each window writes its own four elements ----

// gx from windows of 2x2, stride 2, no padding; load(p, q, n, v, at) gives n of them.
template <class T, bool MAX, class F>
TG_INLINE void spread_pairs(const Pool2dShape& g, int64_t r0, int64_t r1, T* gx, const F& load) {
    constexpr int L = kLanes<T>;
    for (int64_t r = r0; r < r1; ++r) {
        T* row = gx + r * g.W;
        const int64_t p = r / 2, i = r % 2, width = p < g.P ? 2 * g.Q : 0;
        if (width > 0) {
            for_runs<T>(g.Q, [&](int64_t q, int n) TG_INLINE_LAMBDA {
                Vec<T> v = {};
                IVec<T> at = {};
                load(p, q, n, v, at);
                const Vec<T> even = !MAX || at == splat(Int<T>(2 * i)) ? v : Vec<T>{};
                const Vec<T> odd = !MAX || at == splat(Int<T>(2 * i + 1)) ? v : Vec<T>{};
                store_some(row + 2 * q, zip_low(even, odd), int(smaller(2 * n, L)));
                if (2 * n > L) store_some(row + 2 * q + L, zip_high(even, odd), 2 * n - L);
            });
        }
        for (int64_t c = width; c < g.W; ++c) row[c] = T(0);
    }
}

// ---- max, backward ----

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

template <class T, class A, int S, int K>
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
            gather_row<T, S, K, true>(g, w, r, gx + (plane * g.H + r) * g.W);
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
void max_backward(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const A* argmax, T* gx,
                  void* scratch) noexcept {
    if (plan.pass == PoolPass::scatter) return max_scatter_planes(g, plan, gy, argmax, gx);
    if constexpr (sizeof(A) == 1) {
        if (plan.pass == PoolPass::pairs) return max_pair_planes(g, plan, gy, argmax, gx);
        if (is_square(g, 3, 2))
            return max_gather_planes<T, A, 2, 3>(g, plan, gy, argmax, gx, scratch);
    }
    if (g.sw == 2) return max_gather_planes<T, A, 2, 0>(g, plan, gy, argmax, gx, scratch);
    max_gather_planes<T, A, 1, 0>(g, plan, gy, argmax, gx, scratch);
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

// ---- average ----

template <class T, int S, int K>
void avg_row_planes(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
                    const T* col_count, T* y, void* scratch) noexcept {
    for_bands(g, plan, g.P, scratch, [&](int64_t plane, int64_t p0, int64_t p1, void* own) {
        const Band<T> band = band_of(g, plan, x, plane, p0, p1, T(0), own);
        for (int64_t p = p0; p < p1; ++p) {
            T* out = y + (plane * g.P + p) * g.Q;
            for_runs<T>(g.Q, [&](int64_t q, int n) TG_INLINE_LAMBDA {
                Vec<T> sum = {};
                const auto add = [&](int64_t, Vec<T> v) TG_INLINE_LAMBDA { sum += v; };
                for_taps<T, S, K>(g, band, p - p0, q, n, add);
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
void avg_forward(const Pool2dShape& g, const PoolPlan& plan, const T* x, const T* row_count,
                 const T* col_count, T* y, void* scratch) noexcept {
    if (plan.pass == PoolPass::window) {
        avg_window_planes(g, plan, x, row_count, col_count, y);
    } else if (is_square(g, 2, 2)) {
        avg_row_planes<T, 2, 2>(g, plan, x, row_count, col_count, y, scratch);
    } else if (is_square(g, 3, 2)) {
        avg_row_planes<T, 2, 3>(g, plan, x, row_count, col_count, y, scratch);
    } else if (g.sw == 2) {
        avg_row_planes<T, 2, 0>(g, plan, x, row_count, col_count, y, scratch);
    } else {
        avg_row_planes<T, 1, 0>(g, plan, x, row_count, col_count, y, scratch);
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

template <class T, int S, int K>
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
            gather_row<T, S, K, false>(g, w, r, gx + (plane * g.H + r) * g.W);
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
void avg_backward(const Pool2dShape& g, const PoolPlan& plan, const T* gy, const T* row_count,
                  const T* col_count, T* gx, void* scratch) noexcept {
    if (plan.pass == PoolPass::scatter) {
        avg_scatter_planes(g, plan, gy, row_count, col_count, gx);
    } else if (plan.pass == PoolPass::pairs) {
        avg_pair_planes(g, plan, gy, row_count, col_count, gx);
    } else if (is_square(g, 3, 2)) {
        avg_gather_planes<T, 2, 3>(g, plan, gy, row_count, col_count, gx, scratch);
    } else if (g.sw == 2) {
        avg_gather_planes<T, 2, 0>(g, plan, gy, row_count, col_count, gx, scratch);
    } else {
        avg_gather_planes<T, 1, 0>(g, plan, gy, row_count, col_count, gx, scratch);
    }
}

}  // namespace

const PoolKernels pool_kernels = {
    {max_forward<float, uint8_t>, max_backward<float, uint8_t>, max_take<float, uint8_t>},
    {max_forward<float, int32_t>, max_backward<float, int32_t>, max_take<float, int32_t>},
    {max_forward<double, uint8_t>, max_backward<double, uint8_t>, max_take<double, uint8_t>},
    {max_forward<double, int32_t>, max_backward<double, int32_t>, max_take<double, int32_t>},
    {avg_forward<float>, avg_backward<float>},
    {avg_forward<double>, avg_backward<double>},
};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
