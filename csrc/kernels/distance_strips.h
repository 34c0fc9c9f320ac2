// How distances walk their tiles: blocks of y stay in L2 while strips of x pass by; and rows of bytes
// prepared for multiplication. Hot sources only.
//   Rows of y inside, strips of x outside: the other order was 10 to 45 % slower.
#pragma once

#include "kernels/distance_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {

constexpr int R = kDistanceRows, C = kDistanceCols;

TG_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

template <class In, class Out>
using Tile = void (*)(int64_t D, const In* x, const In* y, Out* sums);

// The tile of `rows` x `cols` rows; the numbers stand for all heights and widths.
template <class Term, class T, int... I>
TG_INLINE Tile<T, T> pick_float(int rows, int cols, Lanes<I...>) {
    static constexpr Tile<T, T> of[] = {float_tile<Term, T, I / C + 1, I % C + 1>...};
    return of[(rows - 1) * C + cols - 1];
}
template <int... I>
TG_INLINE Tile<uint8_t, int64_t> pick_byte_l1(int rows, int cols, Lanes<I...>) {
    static constexpr Tile<uint8_t, int64_t> of[] = {byte_l1_tile<I / C + 1, I % C + 1>...};
    return of[(rows - 1) * C + cols - 1];
}
typedef void (*DotTile)(int64_t Dp, const ByteProducts::X* x, const ByteProducts::Y* y,
                        int64_t* sums);
template <int... I>
TG_INLINE DotTile pick_byte_dot(int rows, int cols, Lanes<I...>) {
    static constexpr DotTile of[] = {byte_dot_tile<I / C + 1, I % C + 1>...};
    return of[(rows - 1) * C + cols - 1];
}
typedef MakeLanes<R * C>::type AllTiles;

struct Rectangle {
    int64_t n0, n1, m0, m1;
};

// Calls strip(i, rows, j0, j1) for each strip of x beside each block of y.
template <class Strip>
TG_INLINE void for_each_strip(const Rectangle& r, int64_t block, const Strip& strip) {
    for (int64_t j = r.m0; j < r.m1; j += block) {
        const int64_t end = least(j + block, r.m1);
        for (int64_t i = r.n0; i < r.n1; i += R) strip(i, int(least(R, r.n1 - i)), j, end);
    }
}

// to[k] = from[k] - offset for k < D, 0 for D <= k < Dp.
template <class To>
TG_INLINE void copy_row(const uint8_t* from, int64_t D, int64_t Dp, int offset, To* to) {
    for (int64_t k = 0; k < D; ++k) to[k] = To(from[k] - offset);
    for (int64_t k = D; k < Dp; ++k) to[k] = 0;
}

struct RowSums {
    int64_t plain, squares;
};
TG_INLINE RowSums row_sums(const uint8_t* row, int64_t D) {
    RowSums s = {0, 0};
    for (int64_t k0 = 0; k0 < D; k0 += 1 << 15) {  // 2^15 * 255^2 < 2^31
        uint32_t plain = 0, squares = 0;
        for (int64_t k = k0; k < least(D, k0 + (1 << 15)); ++k) {
            const uint32_t v = row[k];
            plain += v;
            squares += v * v;
        }
        s.plain += plain;
        s.squares += squares;
    }
    return s;
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
