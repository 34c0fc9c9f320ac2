// What the pooling kernels share: bands of rows, their copy with a border, and the loops over the
// taps of a window (forward) and over the windows of an element (backward). Hot sources only.
//
// A unit of work is a band of rows of one plane, whose input fits the first-level or second-level
// cache. Where windows reach into padding, or several windows share an element, the band's input is
// first copied into scratch with a border around it, so that no inner loop asks where it is: with
// tests at every load, rows of 10 to 28 columns took 3 to 5 times as long.
#pragma once

#include "kernels/pool.h"
#include "runtime/parallel.h"
#include "simd/lanes.h"

namespace tinygrad_cv {
namespace TG_ISA {

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
template <class T, bool kBordered>
TG_INLINE Vec<T> load_before(const T* p, const T* end) {
    constexpr int L = kLanes<T>;
    if (kBordered || __builtin_expect(end - p >= L, 1)) return load(p);
    return end > p ? load_n(p, int(end - p)) : Vec<T>{};
}

// f(tap, values) for every tap, in row order, of the n windows q, q + 1, ... of output row p
// (counted from the band's first). S: the column stride if it is 1 or 2, else 0. K: the kernel's
// rows and columns if they are known (dilation is then 1), else 0.
template <class T, int S, int K, bool kBordered, class F>
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
                const Vec<T> a = load_before<T, kBordered>(row + j, band.end);
                const Vec<T> b = load_before<T, kBordered>(row + j + L, band.end);
                f(i * kw + j, even_lanes(a, b));
                f(i * kw + j + 1, odd_lanes(a, b));
            }
        }
        for (; j < kw; ++j) {
            const T* from = row + j * dw;
            Vec<T> v = {};
            if constexpr (S == 1) {
                v = load_before<T, kBordered>(from, band.end);
            } else if constexpr (S == 2) {
                v = even_lanes(load_before<T, kBordered>(from, band.end),
                               load_before<T, kBordered>(from + L, band.end));
            } else {
                T lane[L] = {};
                for (int l = 0; l < n; ++l) lane[l] = from[l * g.sw];
                v = load(lane);
            }
            f(i * kw + j, v);
        }
    }
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

// Row r of gx from its windows. Pad: the padding, if it is known.
template <class T, int S, int K, int Pad, bool MAX>
TG_INLINE void gather_row(const Pool2dShape& g, const Windows<T>& w, int64_t r, T* gx) {
    constexpr int L = kLanes<T>;
    const int64_t kh = K ? K : g.kh, kw = K ? K : g.kw;
    const int64_t ph = Pad >= 0 ? Pad : g.ph, pw = Pad >= 0 ? Pad : g.pw;
    const int64_t i0 = (r + ph) & (S - 1);
    for (int64_t c = 0; c < g.W; c += S * L) {
        Vec<T> sum[S] = {};
        // Upper windows first, then left ones: i and j fall.
        for (int64_t i = i0 + (kh - 1 - i0) / S * S; i >= 0; i -= S) {
            const int64_t p = floor_div<S>(r + ph - i);
            const int64_t row = (p - w.first) * w.pitch + w.left + floor_div<S>(c);
            TG_UNROLL
            for (int phase = 0; phase < S; ++phase) {
                const int64_t j0 = (phase + pw) & (S - 1);
                for (int64_t j = j0 + (kw - 1 - j0) / S * S; j >= 0; j -= S) {
                    const int64_t from = row + floor_div<S>(phase + pw - j);
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

}  // namespace TG_ISA
}  // namespace tinygrad_cv
