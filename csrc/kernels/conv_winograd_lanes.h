// Winograd with channels in the lanes: rows of pixels are transposed once in registers, so that a
// tile's inputs are whole vectors at constant distances and nothing is gathered.
// Included by the hot sources of Winograd convolution only.
#pragma once

#include "kernels/conv_winograd.h"
#include "simd/transpose.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace winograd {

constexpr int L = kLanes<float>;
using F = Vec<float>;

// What is transformed: x with its halo and padding, or the gradient.
struct Source {
    const float* data;  // first channel of image 0
    int64_t image, plane, height, width, pad_h, pad_w;
};

// to[row][column][L] of L channels for padded rows [row0, row0 + rows); `channels` of them exist.
TG_INLINE void turn_rows(const Source& from, const float* x, int channels, int64_t row0,
                         int64_t rows, int64_t columns, float* to) noexcept {
    const int64_t h0 = larger(0, row0 - from.pad_h);
    const int64_t h1 = smaller(from.height, row0 + rows - from.pad_h);
    for (int64_t i = 0; i < rows; ++i) {
        const int64_t h = row0 + i - from.pad_h;
        float* row = to + i * columns * L;
        if (h < 0 || h >= from.height) {
            zero_run(row, columns * L);
        } else {
            const int64_t right = from.pad_w + from.width;
            zero_run(row, from.pad_w * L);
            zero_run(row + right * L, (columns - right) * L);
        }
    }
    if (h0 >= h1) return;
    // Rows of a plane follow one another: squares are cut across their ends.
    const int64_t end = h1 * from.width;
    float* pixel = to + ((h0 + from.pad_h - row0) * columns + from.pad_w) * L;
    int64_t w = 0;
    for (int64_t f = h0 * from.width; f < end; f += L) {
        const int n = int(smaller(L, end - f));
        F square[L];
        if (n == L && channels == L) {
            TG_UNROLL
            for (int c = 0; c < L; ++c) square[c] = load(x + c * from.plane + f);
        } else {
            for (int c = 0; c < L; ++c) {
                square[c] = c < channels ? load_n(x + c * from.plane + f, n) : F{};
            }
        }
        transpose<float>(square);
        for (int j = 0; j < n; ++j, pixel += L) {
            store(pixel, square[j]);
            if (++w == from.width) {
                w = 0;
                pixel += (columns - from.width) * L;
            }
        }
    }
}

// What a tile is transformed as: the inputs of the kernel, B^T x B; its outputs' gradient, G gy G^T
// for the gradient of the weights and A gy A^T for that of the input.
enum class As { input, kernel, values };
template <As kAs, class W, int N>
TG_INLINE void transform_line(const F (&d)[N], F (&t)[W::kSide]) {
    if constexpr (kAs == As::input) {
        W::input(d, t);
    } else if constexpr (kAs == As::kernel) {
        W::spread(d, t);
    } else {
        W::evaluate(d, t);
    }
}

// One tile: to[xi * xi_step].
template <class W, As kAs>
TG_INLINE void transform_tile(const float* from, int64_t row_step, int64_t xi_step, float* to) {
    constexpr int A = W::kSide, kIn = kAs == As::input ? A : W::kOut;
    F half[kIn][A];
    TG_UNROLL
    for (int r = 0; r < kIn; ++r) {
        F d[kIn];
        TG_UNROLL
        for (int s = 0; s < kIn; ++s) d[s] = load(from + r * row_step + s * L);
        transform_line<kAs, W>(d, half[r]);
    }
    TG_UNROLL
    for (int s = 0; s < A; ++s) {
        F d[kIn], t[A];
        TG_UNROLL
        for (int r = 0; r < kIn; ++r) d[r] = half[r][s];
        transform_line<kAs, W>(d, t);
        TG_UNROLL
        for (int r = 0; r < A; ++r) store(to + (r * A + s) * xi_step, t[r]);
    }
}

// L channels of tiles [i0, i1); point xi of tile i goes to place(i) + xi * xi_step.
template <class W, As kAs, class Place>
static void transform_tiles(const ConvPlan& plan, const Source& from, int channels, int64_t i0,
                            int64_t i1, int64_t xi_step, float* lines,
                            const Place& place) noexcept {
    const Conv2dShape& g = plan.run;
    constexpr int64_t M = W::kOut, kHalo = kAs == As::input ? W::kKernel - 1 : 0;
    const int64_t columns = g.Q * M + kHalo;
    each_image(g, i0, i1, [&](int64_t n, int64_t p0, int64_t p1, int64_t) {
        turn_rows(from, from.data + n * from.image, channels, p0 * M, (p1 - p0) * M + kHalo,
                  columns, lines);
        const int64_t first = n * g.P * g.Q;
        for (int64_t i = larger(i0, first); i < smaller(i1, first + g.P * g.Q); ++i) {
            const int64_t p = (i - first) / g.Q - p0, q = (i - first) % g.Q;
            transform_tile<W, kAs>(lines + (p * columns + q) * M * L, columns * L, xi_step,
                                   place(i));
        }
    });
}

// Squares of L taps that cover a run of T: the last one ends with it, over taps of the one before, so
// that all are whole vectors where the run is as long as one.
template <int T>
constexpr int kTapSquares = (T + L - 1) / L;
template <int T>
TG_INLINE constexpr int square_start(int i) {
    return T < L ? 0 : i * L < T - L ? i * L : T - L;
}

// The T taps of L rows from one position of the sum: taps[t][lane].
template <int T>
TG_INLINE void load_taps(const ConvWeights& from, const float* w, int rows, F (&taps)[T]) {
    const float* start =
        from.inner < 0 ? w - (T - 1) : w;  // the taps lie in a row, forwards or backwards
    F run[T];
    TG_UNROLL
    for (int s = 0; s < kTapSquares<T>; ++s) {
        const int t0 = square_start<T>(s);
        F square[L];
        if (rows == L) {
            TG_UNROLL
            for (int i = 0; i < L; ++i) {
                const float* at = start + i * from.row + t0;
                square[i] = T < L ? load_n(at, T) : load(at);
            }
        } else {
            for (int i = 0; i < L; ++i) {
                square[i] = i < rows ? load_n(start + i * from.row + t0, T < L ? T : L) : F{};
            }
        }
        transpose<float>(square);
        TG_UNROLL
        for (int i = 0; i < L; ++i) {
            if (t0 + i < T) run[t0 + i] = square[i];
        }
    }
    TG_UNROLL
    for (int t = 0; t < T; ++t) taps[t] = from.inner < 0 ? run[T - 1 - t] : run[t];
}

// Positions of the sum: their weights lie in rows of other pages, which no hardware prefetcher
// foresees (256 -> 256 channels, one 14 x 14 image, a Zen 3: 0.93 of the time; flipped 0.90).
constexpr int64_t kTapsAhead = 8;

// u[xi * xi_step + c * 2L + lane] for input channels [c0, c1) and the panel of output channels that
// starts at row k; rows that do not exist are 0, a half of which none exists is left out.
template <class W>
static void transform_kernels(const ConvWeights& from, const float* w, int64_t k, int64_t c0,
                              int64_t c1, int64_t xi_step, float* u) noexcept {
    constexpr int A = W::kSide, R = W::kKernel;
    for (int half = 0; half < 2 && k + half * L < from.rows; ++half) {
        const int rows = int(smaller(L, from.rows - k - half * L));
        for (int64_t c = c0; c < c1; ++c) {
            F taps[R * R], columns[A][R];
            const float* at = w + (k + half * L) * from.row + c * from.outer;
            for (int i = 0; i < rows; ++i) {
                __builtin_prefetch(at + i * from.row + kTapsAhead * from.outer);
            }
            load_taps(from, at, rows, taps);
            TG_UNROLL
            for (int s = 0; s < R; ++s) {
                F d[R], t[A];
                TG_UNROLL
                for (int r = 0; r < R; ++r) d[r] = taps[r * R + s];
                W::spread(d, t);
                TG_UNROLL
                for (int r = 0; r < A; ++r) columns[r][s] = t[r];
            }
            TG_UNROLL
            for (int r = 0; r < A; ++r) {
                F t[A];
                W::spread(columns[r], t);
                float* to = u + (c - c0) * 2 * L + half * L;
                TG_UNROLL
                for (int s = 0; s < A; ++s) store(to + (r * A + s) * xi_step, t[s]);
            }
        }
    }
}

}  // namespace winograd
}  // namespace TG_ISA
}  // namespace tinygrad_cv
