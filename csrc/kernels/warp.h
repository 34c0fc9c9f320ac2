// Images read at real-valued places, between four pixels (bilinear): y[n, c, p, q] is image n,
//   plane c, at row rows[n, p, q] and column columns[n, p, q]; 0 is the middle of the first pixel.
//   What lies around an image is `fill`: with row r = r0 + a and column s = s0 + b, 0 <= a, b < 1,
//   y = (1 - a) ((1 - b) x[r0, s0] + b x[r0, s0 + 1]) + a (… row r0 + 1 …). A place that is no
//   number reads fill. All arrays are dense; y overlaps no other.
//   Four gathered reads an element bound it; the caller's threads share images out among themselves,
//   so there are none here.
#pragma once

#include <stdint.h>

namespace tinygrad_cv {

template <class T>
struct WarpArgs {
    int64_t N, C, H, W, P, Q;
    const T* x;        // (N, C, H, W)
    const T* rows;     // (N, P, Q)
    const T* columns;  // (N, P, Q)
    T fill;
    T* y;  // (N, C, P, Q)
};

template <class T>
void warp_bilinear(const WarpArgs<T>& g) noexcept;

// The same where places lie on straight lines: for image n, with m = maps[n],
//   row = m[0][0] q + m[0][1] p + m[0][2], column = m[1][0] q + m[1][1] p + m[1][2].
//   No place is stored, and a plane is read in a frame of fill, so that no read asks whether it is there.
constexpr int64_t framed_side(int64_t side) noexcept { return side + 3; }

template <class T>
struct AffineArgs {
    int64_t N, C, H, W, P, Q;
    const T* x;     // (N, C, H, W)
    const T* maps;  // (N, 2, 3)
    T fill;
    T* framed;  // scratch: framed_side(H) framed_side(W)
    T* y;       // (N, C, P, Q)
};

template <class T>
void warp_affine(const AffineArgs<T>& g) noexcept;

}  // namespace tinygrad_cv
