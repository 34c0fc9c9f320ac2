#include "kernels/warp.h"

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
    T at(int64_t q) const noexcept { return start + step * T(q); }
};

// Those q in [first, last) whose place has a pixel before and one after it. Rounding keeps order, so
// they are neighbours: the quotients may be one off, and the ends are then moved.
struct Stretch {
    int64_t first, last;
};

template <class T>
Stretch inside(Line<T> line, int64_t size, Stretch of) noexcept {
    const T end = T(size - 1);
    const auto is_inside = [&](int64_t q) { return line.at(q) >= 0 && line.at(q) < end; };
    if (line.step != 0) {
        const T at_0 = -line.start / line.step, at_end = (end - line.start) / line.step;
        const T low = at_0 < at_end ? at_0 : at_end, high = at_0 < at_end ? at_end : at_0;
        if (low > T(of.first)) of.first = low < T(of.last) ? int64_t(low) : of.last;
        if (high < T(of.last - 1)) of.last = high > T(of.first) ? int64_t(high) + 2 : of.first;
    }
    while (of.first < of.last && !is_inside(of.first)) ++of.first;
    while (of.first < of.last && !is_inside(of.last - 1)) --of.last;
    return of;
}

template <class T>
void read_line(const T* x, T* y, Line<T> rows, Line<T> columns, const AffineArgs<T>& g) noexcept {
    const Stretch within = inside(columns, g.W, inside(rows, g.H, {0, g.Q}));
    const auto read_edge = [&](int64_t first, int64_t last) {
        for (int64_t q = first; q < last; ++q) {
            y[q] = between(x, place_of(rows.at(q), g.H), place_of(columns.at(q), g.W), g);
        }
    };
    read_edge(0, within.first);
    for (int64_t q = within.first; q < within.last; ++q) {
        const T r = rows.at(q), s = columns.at(q);
        const int64_t row = int64_t(r), column = int64_t(s);
        y[q] = mixed(x + row * g.W + column, g.W, r - T(row), s - T(column));
    }
    read_edge(within.last, g.Q);
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
    for (int64_t n = 0; n < g.N; ++n) {
        const T* const m = g.maps + n * 6;
        for (int64_t c = 0; c < g.C; ++c) {
            const T* const x = g.x + (n * g.C + c) * g.H * g.W;
            T* const y = g.y + (n * g.C + c) * g.P * g.Q;
            for (int64_t p = 0; p < g.P; ++p) {
                const Line<T> rows{m[2] + m[1] * T(p), m[0]}, columns{m[5] + m[4] * T(p), m[3]};
                read_line(x, y + p * g.Q, rows, columns, g);
            }
        }
    }
}

template void warp_bilinear<float>(const WarpArgs<float>&) noexcept;
template void warp_bilinear<double>(const WarpArgs<double>&) noexcept;
template void warp_affine<float>(const AffineArgs<float>&) noexcept;
template void warp_affine<double>(const AffineArgs<double>&) noexcept;

}  // namespace tinygrad_cv
