// Pooling of small planes: lanes along planes. A row of 4 or 8 columns leaves most lanes of a vector
// empty; so as many planes as there are lanes are transposed in scratch, where every tap of every
// window is a full vector, whatever the stride, padding and dilation. Hot sources only.
#pragma once

#include "kernels/pool_lines.h"
#include "simd/transpose.h"

namespace tinygrad_cv {
namespace TG_ISA {

// f(first plane, planes, scratch) for every group of up to kLanes<T> planes.
template <class T, class F>
TG_INLINE void for_groups(const Pool2dShape& g, const PoolPlan& plan, void* scratch,
                          const F& f) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t groups = (g.planes + L - 1) / L;
    parallel_for_dynamic(
        (groups + plan.block - 1) / plan.block, plan.team, [&](int64_t job, int thread) {
            char* own = static_cast<char*>(scratch) + thread * plan.scratch_bytes;
            const int64_t end = smaller(groups, (job + 1) * plan.block);
            for (int64_t group = job * plan.block; group < end; ++group) {
                const int64_t plane = group * L;
                f(plane, int(smaller(L, g.planes - plane)), reinterpret_cast<T*>(own));
            }
        });
}

// to[i * lanes + plane] = element i of a plane; read(i, n) gives n elements from i on, planes being
// `size` elements apart. Lanes without a plane are 0.
template <class T, class F>
TG_INLINE void turn_in(int planes, int64_t size, T* to, const F& read) {
    constexpr int L = kLanes<T>;
    for (int64_t i = 0; i < size; i += L) {
        const int n = size - i < L ? int(size - i) : L;
        Vec<T> square[L];
        if (n == L && planes == L) {
            TG_UNROLL
            for (int k = 0; k < L; ++k) square[k] = read(k * size + i, L);
            transpose<T>(square);
            TG_UNROLL
            for (int k = 0; k < L; ++k) store(to + (i + k) * L, square[k]);
        } else {
            for (int k = 0; k < L; ++k) square[k] = k < planes ? read(k * size + i, n) : Vec<T>{};
            transpose<T>(square);
            for (int k = 0; k < n; ++k) store(to + (i + k) * L, square[k]);
        }
    }
}
// The way back: write(i, n, values) takes n elements.
template <class T, class F>
TG_INLINE void turn_out(int planes, int64_t size, const T* from, const F& write) {
    constexpr int L = kLanes<T>;
    for (int64_t i = 0; i < size; i += L) {
        const int n = size - i < L ? int(size - i) : L;
        Vec<T> square[L];
        if (n == L && planes == L) {
            TG_UNROLL
            for (int k = 0; k < L; ++k) square[k] = load(from + (i + k) * L);
            transpose<T>(square);
            TG_UNROLL
            for (int k = 0; k < L; ++k) write(k * size + i, L, square[k]);
        } else {
            for (int k = 0; k < L; ++k) square[k] = k < n ? load(from + (i + k) * L) : Vec<T>{};
            transpose<T>(square);
            for (int k = 0; k < planes; ++k) write(k * size + i, n, square[k]);
        }
    }
}

// Taps from .. to - 1 of a window that begins at `start`: those inside of an axis of `size` elements.
struct Inside {
    int64_t from, to;
};
TG_INLINE Inside taps_inside(int64_t start, int64_t size, int64_t kernel, int64_t dilation) {
    // A division takes as long as the taps of a small window.
    const auto steps = [=](int64_t n) { return dilation == 1 ? n : (n + dilation - 1) / dilation; };
    return {smaller(kernel, steps(larger(0, -start))), smaller(kernel, steps(size - start))};
}
// A window and its taps inside of the plane.
struct Window {
    int64_t row, column;  // of tap 0, which may lie outside
    Inside rows, columns;
};
// f(p, q, window) for all windows in row order.
template <class F>
TG_INLINE void for_windows(const Pool2dShape& g, const F& f) {
    for (int64_t p = 0; p < g.P; ++p) {
        const int64_t r = p * g.sh - g.ph;
        const Inside rows = taps_inside(r, g.H, g.kh, g.dh);
        for (int64_t q = 0; q < g.Q; ++q) {
            const int64_t c = q * g.sw - g.pw;
            f(p, q, Window{r, c, rows, taps_inside(c, g.W, g.kw, g.dw)});
        }
    }
}
// f(tap, element of the plane) for the taps inside of the plane, in row order.
template <class F>
TG_INLINE void for_inside(const Pool2dShape& g, const Window& w, const F& f) {
    for (int64_t i = w.rows.from; i < w.rows.to; ++i) {
        const int64_t row = (w.row + i * g.dh) * g.W + w.column;
        for (int64_t j = w.columns.from; j < w.columns.to; ++j) f(i * g.kw + j, row + j * g.dw);
    }
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
