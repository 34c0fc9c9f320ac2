#include "kernels/warp.h"

#include <algorithm>
#include <cmath>

namespace tinygrad_cv {
namespace {

// A place along one side: the pixel before it, and how far it lies behind that.
template <class T>
struct Place {
    int64_t before;
    T share;
};

// Brought to [-1, size], beyond which there is fill alone; then before is in [-1, size - 1].
template <class T>
Place<T> place_of(T at, int64_t size) noexcept {
    if (!(at > T(-1))) return {-1, 0};  // NaN too
    if (at >= T(size)) return {size - 1, 1};
    const T before = std::floor(at);
    return {int64_t(before), at - before};
}

// Between four pixels that are there, of which `at` is the first.
template <class T>
T mixed(const T* at, int64_t width, T down, T across) noexcept {
    const T above = at[0] + (at[1] - at[0]) * across;
    const T below = at[width] + (at[width + 1] - at[width]) * across;
    return above + (below - above) * down;
}

template <class T, class Args>
T between(const T* plane, Place<T> r, Place<T> s, const Args& g) noexcept {
    if (r.before >= 0 && r.before + 1 < g.H && s.before >= 0 && s.before + 1 < g.W) {
        return mixed(plane + r.before * g.W + s.before, g.W, r.share, s.share);
    }
    T four[4];
    for (int i = 0; i < 4; ++i) {
        const int64_t row = r.before + i / 2, column = s.before + i % 2;
        const bool inside = row >= 0 && row < g.H && column >= 0 && column < g.W;
        four[i] = inside ? plane[row * g.W + column] : g.fill;
    }
    return mixed(four, 2, r.share, s.share);
}

// Places along a row of the result: start + step q.
template <class T>
struct Line {
    T start, step;
};

// The plane in a frame of `fill`, one pixel before and two behind it: four pixels are there for every
// place, and beyond the image fill alone.
template <class T>
void frame_plane(const T* x, T* framed, const AffineArgs<T>& g) noexcept {
    const int64_t width = framed_side(g.W);
    std::fill_n(framed, framed_side(g.H) * width, g.fill);
    for (int64_t row = 0; row < g.H; ++row) {
        std::copy_n(x + row * g.W, g.W, framed + (row + 1) * width + 1);
    }
}

// Index holds the elements of a framed plane: with 32 bits vectors find their places together.
template <class Index, class T>
void read_line(const T* framed, T* y, Line<T> rows, Line<T> columns,
               const AffineArgs<T>& g) noexcept {
    const Index width = Index(framed_side(g.W)), count = Index(g.Q);
    const T last_row = T(g.H + 1), last_column = T(g.W + 1);
#pragma omp simd
    for (Index q = 0; q < count; ++q) {
        T r = rows.start + rows.step * T(q) + 1, s = columns.start + columns.step * T(q) + 1;
        r = r > 0 ? r : 0;  // NaN too
        s = s > 0 ? s : 0;
        r = r < last_row ? r : last_row;
        s = s < last_column ? s : last_column;
        const Index row = Index(r), column = Index(s), i = row * width + column;
        const T down = r - T(row), across = s - T(column);
        const T above = framed[i] + (framed[i + 1] - framed[i]) * across;
        const T left = framed[i + width], right = framed[i + width + 1];
        y[q] = above + (left + (right - left) * across - above) * down;
    }
}

}  // namespace

template <class T>
void warp_bilinear(const WarpArgs<T>& g) noexcept {
    const int64_t places = g.P * g.Q;
    for (int64_t n = 0; n < g.N; ++n) {
        const T* const x = g.x + n * g.C * g.H * g.W;
        T* const y = g.y + n * g.C * places;
        for (int64_t i = 0; i < places; ++i) {
            const Place<T> r = place_of(g.rows[n * places + i], g.H);
            const Place<T> s = place_of(g.columns[n * places + i], g.W);
            for (int64_t c = 0; c < g.C; ++c) {
                y[c * places + i] = between(x + c * g.H * g.W, r, s, g);
            }
        }
    }
}

template <class T>
void warp_affine(const AffineArgs<T>& g) noexcept {
    const auto read = framed_side(g.H) * framed_side(g.W) <= INT32_MAX ? read_line<int32_t, T>
                                                                       : read_line<int64_t, T>;
    for (int64_t n = 0; n < g.N; ++n) {
        const T* const m = g.maps + n * 6;
        for (int64_t c = 0; c < g.C; ++c) {
            frame_plane(g.x + (n * g.C + c) * g.H * g.W, g.framed, g);
            T* const y = g.y + (n * g.C + c) * g.P * g.Q;
            for (int64_t p = 0; p < g.P; ++p) {
                const Line<T> rows{m[2] + m[1] * T(p), m[0]}, columns{m[5] + m[4] * T(p), m[3]};
                read(g.framed, y + p * g.Q, rows, columns, g);
            }
        }
    }
}

template void warp_bilinear<float>(const WarpArgs<float>&) noexcept;
template void warp_bilinear<double>(const WarpArgs<double>&) noexcept;
template void warp_affine<float>(const AffineArgs<float>&) noexcept;
template void warp_affine<double>(const AffineArgs<double>&) noexcept;

}  // namespace tinygrad_cv
