// Padded rows of an image in scratch, and the runs of consecutive pixels that a block covers.
// Included by the hot sources of the convolution family only.
#pragma once

#include "kernels/conv.h"
#include "runtime/parallel.h"
#include "simd/lanes.h"
#include "simd/transpose.h"

namespace tinygrad_cv {
namespace TG_ISA {

TG_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TG_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// dst[0 .. n) = src[0 .. n); never touches memory past either end.
template <class T>
TG_INLINE void copy_run(T* dst, const T* src, int64_t n) {
    constexpr int L = kLanes<T>;
    int64_t j = 0;
    for (; j + L <= n; j += L) store(dst + j, load(src + j));
    if (j < n) store_n(dst + j, load_n(src + j, int(n - j)), int(n - j));
}
// The same, while what lies `ahead` elements further on is fetched: a row of another plane, which no
// hardware prefetcher foresees.
template <class T>
TG_INLINE void copy_run_ahead(T* dst, const T* src, int64_t n, int64_t ahead) {
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t j = 0; j < n; j += kLine) __builtin_prefetch(src + ahead + j);
    copy_run(dst, src, n);
}
template <class T>
TG_INLINE void zero_run(T* dst, int64_t n) {
    constexpr int L = kLanes<T>;
    int64_t j = 0;
    for (; j + L <= n; j += L) store(dst + j, Vec<T>{});
    if (j < n) store_n(dst + j, Vec<T>{}, int(n - j));
}

// Values start .. start + count of a row of W, 0 outside it.
template <class T, int Count>
TG_INLINE void load_window(const T* src, int64_t W, int64_t start, Vec<T> (&v)[Count]) {
    constexpr int L = kLanes<T>;
    if (start >= 0 && start + Count * L <= W) {
        TG_UNROLL
        for (int i = 0; i < Count; ++i) v[i] = load(src + start + i * L);
        return;
    }
    TG_UNROLL
    for (int i = 0; i < Count; ++i) {
        const int64_t at = start + i * L;
        const int lo = int(smaller(L, larger(0, -at))), hi = int(larger(lo, smaller(L, W - at)));
        v[i] = load_range(src + at, lo, hi);
    }
}

// The phases of a row of W under stride SW, a whole vector of each at a time: `columns` values of the
// first `phases`, which lie `step` elements apart; 0 outside the row, which begins behind `pad` zeros.
template <class T, int SW>
static void split_row(const T* src, int64_t W, int64_t pad, int64_t columns, int64_t step,
                      int64_t phases, T* dst) {
    constexpr int L = kLanes<T>;
    for (int64_t j = 0; j < columns; j += L) {
        Vec<T> v[SW], f[SW];
        load_window(src, W, j * SW - pad, v);
        if constexpr (SW == 2) {
            f[0] = even_lanes(v[0], v[1]);
            f[1] = odd_lanes(v[0], v[1]);
        } else {
            const Vec<T> e = even_lanes(v[0], v[1]), g = even_lanes(v[2], v[3]);
            const Vec<T> o = odd_lanes(v[0], v[1]), h = odd_lanes(v[2], v[3]);
            f[0] = even_lanes(e, g);
            f[1] = even_lanes(o, h);
            f[2] = odd_lanes(e, g);
            f[3] = odd_lanes(o, h);
        }
        const int n = int(smaller(L, columns - j));
        TG_UNROLL
        for (int i = 0; i < SW; ++i) {
            if (i >= phases) continue;
            if (n == L) {  // a masked store costs ten plain ones on some processors
                store(dst + i * step + j, f[i]);
            } else {
                store_n(dst + i * step + j, f[i], n);
            }
        }
    }
}

// One padded row: dst[f * phase + j] = src[j * sw + f - pw], 0 outside [0, W); src null: all 0.
template <class T>
static void fill_row(const ConvPlan& plan, const T* src, T* dst) {
    const Conv2dShape& g = plan.run;
    const int64_t sw = g.sw, phase = plan.phase;
    if (!src) {
        zero_run(dst, plan.row);
    } else if (sw == 1) {
        const int64_t j0 = smaller(phase, g.pw), j1 = larger(j0, smaller(phase, g.W + g.pw));
        zero_run(dst, j0);
        copy_run(dst + j0, src, j1 - j0);
        zero_run(dst + j1, phase - j1);
    } else if (sw == 2) {
        split_row<T, 2>(src, g.W, g.pw, phase, phase, plan.row / phase, dst);
    } else if (sw == 4) {
        split_row<T, 4>(src, g.W, g.pw, phase, phase, plan.row / phase, dst);
    } else {
        const int64_t phases = plan.row / phase;
        for (int64_t f = 0; f < phases; ++f, dst += phase) {
            for (int64_t j = 0; j < phase; ++j) {
                const int64_t w = j * sw + f - g.pw;
                dst[j] = w >= 0 && w < g.W ? src[w] : T(0);
            }
        }
    }
}

// The padded rows that output rows p0 <= p < p1 read from one channel's plane.
template <class T>
static void fill_rows(const ConvPlan& plan, const T* plane, int64_t p0, int64_t p1, T* dst) {
    const Conv2dShape& g = plan.run;
    const int64_t count = (p1 - p0 - 1) * g.sh + (g.R - 1) * g.dh + 1;
    for (int64_t i = 0; i < count; ++i, dst += plan.row) {
        if (g.R == 1 && i % g.sh != 0) continue;  // between the rows that a strided 1 x n reads
        const int64_t h = p0 * g.sh - g.ph + i;
        fill_row(plan, h >= 0 && h < g.H ? plane + h * g.W : nullptr, dst);
    }
}

// The output's pixels lie as those of the input that they read.
TG_INLINE bool reads_in_place(const Conv2dShape& g) {
    return g.R * g.S == 1 && g.sh * g.sw == 1 && g.ph + g.pw == 0;
}

// Consecutive output pixels of one row: `src` in the padded rows (without the tap's offset), `dst`
// in the block's panels, `out` in y (without the channel's offset).
struct Run {
    int64_t src, dst, out, len;
};
constexpr int kMaxBlock = 1024;               // pixels of a block at most
constexpr int kMaxRuns = kMaxBlock + 2 * 64;  // every pixel its own row, and the panels' ends

// Images and rows of pixels [i0, i1), counted over images, rows and columns. f(n, p0, p1, first)
// for each image: output rows p0 <= p < p1, the first padded row has number `first`.
template <class F>
TG_INLINE void each_image(const Conv2dShape& g, int64_t i0, int64_t i1, const F& f) {
    const int64_t pq = g.P * g.Q;
    int64_t first = 0;
    for (int64_t n = i0 / pq; n * pq < i1; ++n) {
        const int64_t a = larger(i0 - n * pq, 0), b = smaller(i1 - n * pq, pq);
        const int64_t p0 = a / g.Q, p1 = (b - 1) / g.Q + 1;
        f(n, p0, p1, first);
        first += (p1 - p0 - 1) * g.sh + (g.R - 1) * g.dh + 1;
    }
}

// Splits pixels [i0, i1) into runs that stay inside a row and a panel; starts[i] is the first run
// of panel i. Returns the number of panels. Panels lie panel_step apart.
// in_place: src counts from the whole x (1 x 1, no padding, stride 1), not from padded rows.
TG_INLINE int64_t find_runs(const ConvPlan& plan, int64_t i0, int64_t i1, int64_t panel_step,
                            bool in_place, Run* runs, int* starts) {
    const Conv2dShape& g = plan.run;
    const int64_t pq = g.P * g.Q;
    int count = 0;
    int64_t panels = 0, pixel = i0;
    each_image(g, i0, i1, [&](int64_t n, int64_t p0, int64_t, int64_t first) {
        const int64_t end = smaller(i1, (n + 1) * pq);
        while (pixel < end) {
            const int64_t at = pixel - n * pq, p = at / g.Q, q = at % g.Q;
            const int64_t slot = pixel - i0, lane = slot % plan.panel;
            if (lane == 0) starts[panels++] = count;
            const int64_t row_left = in_place ? pq - at : g.Q - q;
            const int64_t len = smaller(smaller(row_left, plan.panel - lane), end - pixel);
            const int64_t src =
                in_place ? n * g.C * pq + at : (first + (p - p0) * g.sh) * plan.row + q;
            runs[count++] = {src, slot / plan.panel * panel_step + lane, n * g.K * pq + at, len};
            pixel += len;
        }
    });
    starts[panels] = count;
    return panels;
}

// Pixels of L planes, `step` elements apart, to `planes` planes of y.
template <class T>
TG_INLINE void turn_back(const T* lines, int64_t step, int64_t pixels, int planes, int64_t plane,
                         T* y) {
    constexpr int L = kLanes<T>;
    for (int64_t f = 0; f < pixels; f += L) {
        const int n = int(smaller(L, pixels - f));
        Vec<T> square[L];
        for (int j = 0; j < L; ++j) square[j] = j < n ? load(lines + (f + j) * step) : Vec<T>{};
        transpose<T>(square);
        if (n == L && planes == L) {
            TG_UNROLL
            for (int k = 0; k < L; ++k) store(y + k * plane + f, square[k]);
        } else {
            for (int k = 0; k < planes; ++k) store_n(y + k * plane + f, square[k], n);
        }
    }
}

// Balanced tiles: rows [tile_start(t), tile_start(t + 1)) of `rows`, `tiles` in all.
TG_INLINE int64_t tile_count(int64_t rows, int64_t tile_mr) {
    return (rows + tile_mr - 1) / tile_mr;
}
TG_INLINE int64_t tile_start(int64_t rows, int64_t tiles, int64_t t) { return rows * t / tiles; }

}  // namespace TG_ISA
}  // namespace tinygrad_cv
