// Images read at real-valued places, between four pixels (bilinear): y[n, c, p, q] is image n,
//   plane c, at row r = r0 + a and column s = s0 + b, 0 <= a, b < 1; 0 is the middle of the first pixel:
//   y = (1 - a) ((1 - b) x[r0, s0] + b x[r0, s0 + 1]) + a (… row r0 + 1 …).
//   What lies around an image is `fill`, and a place that is no number reads it. All arrays are dense;
//   y overlaps no other.
//   bilinear: the places are given, rows[n, p, q] and columns[n, p, q].
//   affine: they lie on straight lines, for image n with m = maps[n]:
//   row = m[0][0] q + m[0][1] p + m[0][2], column = m[1][0] q + m[1][1] p + m[1][2].
//   10 flops and two reads of a pair of pixels an element: 3 to 4 cycles, bound by the reads.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

// A plane is read in a frame of fill, one pixel before and two behind it: four pixels are there for
// every place, so that no read asks whether it is.
constexpr int64_t framed_side(int64_t side) noexcept { return side + 3; }

template <class T>
struct WarpArgs {
    int64_t N, C, H, W, P, Q;
    const T* x;        // (N, C, H, W)
    const T* rows;     // (N, P, Q); bilinear
    const T* columns;  // (N, P, Q)
    const T* maps;     // (N, 2, 3); affine
    T fill;
    int team;
    T* framed;  // scratch: team planes of framed_side(H) framed_side(W)
    T* y;       // (N, C, P, Q)
};

template <class T>
struct WarpKernels {
    void (*bilinear)(const WarpArgs<T>& g) noexcept;
    void (*affine)(const WarpArgs<T>& g) noexcept;
};
struct WarpTable {
    WarpKernels<float> f32;
    WarpKernels<double> f64;
};
TG_DECLARE_TABLE(WarpTable, warp)

#ifndef TG_ISA
struct WarpPlan {
    int team;
    bool long_work;  // worth releasing the GIL
};
WarpPlan plan_warp(int64_t planes, int64_t places, int threads) noexcept;

// The maps, (n, 2, 3), of images (height, width) moved about their centre: out = T R Shear scale, of
//   which a map is the inverse. A row of moves (n, 5): degrees counter-clockwise, shares of the width
//   to the right and of the height down, magnification, slant along x in degrees.
template <class T>
void affine_maps(int64_t n, int64_t height, int64_t width, const double* moves, T* maps) noexcept;
#endif

}  // namespace tinygrad_cv
