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

template <class T>
T pixel(const T* plane, int64_t r, int64_t s, const WarpArgs<T>& g) noexcept {
    return r >= 0 && r < g.H && s >= 0 && s < g.W ? plane[r * g.W + s] : g.fill;
}

template <class T>
T between(const T* plane, Place<T> r, Place<T> s, const WarpArgs<T>& g) noexcept {
    T top[2], bottom[2];
    if (r.before >= 0 && r.before + 1 < g.H && s.before >= 0 && s.before + 1 < g.W) {
        const T* at = plane + r.before * g.W + s.before;
        top[0] = at[0], top[1] = at[1], bottom[0] = at[g.W], bottom[1] = at[g.W + 1];
    } else {
        for (int i = 0; i < 2; ++i) {
            top[i] = pixel(plane, r.before, s.before + i, g);
            bottom[i] = pixel(plane, r.before + 1, s.before + i, g);
        }
    }
    const T above = top[0] + (top[1] - top[0]) * s.share;
    const T below = bottom[0] + (bottom[1] - bottom[0]) * s.share;
    return above + (below - above) * r.share;
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

template void warp_bilinear<float>(const WarpArgs<float>&) noexcept;
template void warp_bilinear<double>(const WarpArgs<double>&) noexcept;

}  // namespace tinygrad_cv
