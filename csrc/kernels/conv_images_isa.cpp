// Winograd convolution F(4x4, 5x5) with images in the lanes, float32, stride 1, no dilation, forward
// and the gradient of the input: for small planes of few channels, of which neither channels nor the
// pixels of a row would fill their vectors.
//
//   A job owns as many images as a vector has lanes. Their planes are transposed into scratch, where
//   every pixel is a vector; so transforms are whole vectors for any number of channels and rows of
//   any length, and the products M[k][tile] = sum_c U[k][c] X[c][tile] at each of the 64 points
//   broadcast the weights. The points are taken column by column of their 8 x 8 squares: X and M of a
//   column stay in L1, and rows of x are transformed once for all tiles that read them.
//   Multiplications: 64/400 of the plain sum's. Error as in conv_winograd_isa.cpp.
//   The gradient of the input is the transposed form where that has fewer tiles: those of gy do not
//   overlap, those of gx do and are added.
#include "kernels/conv_winograd_lanes.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
using namespace winograd;
namespace {

// A register tile: kMr output channels, kTiles vectors, one tile of the plane each. Its 8 points of a
// column partly stay in registers; larger tiles load less but write all of M: 6 -> 16 channels, 250
// images, one thread of a Zen 3, AVX2: 4 x 2 and 5 x 2 780 us, 3 x 3 800, 4 x 3 840, 6 x 2 870; 20 ->
// 50 channels: 4 x 2 and 5 x 2 2.7 ms, 6 x 2 2.8, 4 x 3 3.7, 3 x 3 4.2.
constexpr int kTiles = 2;
constexpr int kMr = 4;

// Sizes in scratch, in vectors; a plane is its rows by its columns.
template <class W, bool kBack>
struct Planes {
    static constexpr int A = W::kSide, M = W::kOut, R = W::kKernel;
    static constexpr int N = kBack ? A : M;  // results on a side of a tile
    int64_t tiles, across;                   // of a plane, of a row
    int64_t in_rows, in_columns, out_rows, out_columns;
    int64_t channels, v_row;  // from one of the 8 points of a column to the next

    explicit Planes(const ConvPlan& plan) {
        const Conv2dShape &g = plan.conv, &t = plan.run;
        tiles = t.P * t.Q;
        across = t.Q;
        in_rows = t.P * M + (kBack ? 0 : R - 1);
        in_columns = t.Q * M + (kBack ? 0 : R - 1);
        out_rows = kBack ? t.P * M + R - 1 : g.P;
        out_columns = kBack ? t.Q * M + R - 1 : g.Q;
        channels = g.C / g.groups;
        v_row = (channels * kTiles + 1) * L;  // an odd number of vectors: other sets of L1
    }
    int64_t row(int64_t tile) const { return tile / across * M; }
    int64_t column(int64_t tile) const { return tile % across * M; }
};

// Column s of the sums over channels at all points, of MR output channels and NV tiles, transformed
// back: half[i][tile][r][s] for the N results r. u: 2L a channel. v: kTiles vectors a channel.
template <class W, bool kBack, int MR, int NV>
void sum_column(const Planes<W, kBack>& at, const float* v, const float* u, int64_t u_row,
                float* half) noexcept {
    constexpr int A = W::kSide, N = Planes<W, kBack>::N;
    F m[A][MR][NV] = {};
    TG_UNROLL
    for (int r = 0; r < A; ++r) {
        gemm_tile<float, MR, NV>(at.channels, u + r * u_row, 2 * L, 1, v + r * at.v_row, kTiles * L,
                                 m[r]);
    }
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) {
            F d[A], t[N];
            TG_UNROLL
            for (int r = 0; r < A; ++r) d[r] = m[r][i][j];
            if constexpr (kBack) {
                W::input_back(d, t);
            } else {
                W::gather(d, t);
            }
            TG_UNROLL
            for (int r = 0; r < N; ++r) store(half + ((i * kTiles + j) * N + r) * A * L, t[r]);
        }
    }
}
template <class W, bool kBack, int NV>
void sum_column_of(int64_t mr, const Planes<W, kBack>& at, const float* v, const float* u,
                   int64_t u_row, float* half) noexcept {
    switch (mr) {
#define TG_CASE(MR)                                                     \
    case MR:                                                            \
        if constexpr (MR <= kMr) {                                      \
            return sum_column<W, kBack, MR, NV>(at, v, u, u_row, half); \
        }                                                               \
        break;
        TG_CASE(1)
        TG_CASE(2)
        TG_CASE(3)
        TG_CASE(4)
        TG_CASE(5)
        TG_CASE(6)
#undef TG_CASE
    }
}
template <class W, bool kBack>
void sum_column_of(int64_t mr, int64_t tiles, const Planes<W, kBack>& at, const float* v,
                   const float* u, int64_t u_row, float* half) noexcept {
    static_assert(kTiles <= 4 && kMr <= 6, "");
    switch (tiles) {
        case 1:
            return sum_column_of<W, kBack, 1>(mr, at, v, u, u_row, half);
        case 2:
            return sum_column_of<W, kBack, 2>(mr, at, v, u, u_row, half);
        case 3:
            return sum_column_of<W, kBack, (kTiles > 2 ? 3 : 1)>(mr, at, v, u, u_row, half);
        case 4:
            return sum_column_of<W, kBack, (kTiles > 2 ? 4 : 1)>(mr, at, v, u, u_row, half);
    }
}

// Rows of a plane along the columns of points: to[row][tile across][s].
template <class W>
void transform_rows(const float* plane, int64_t rows, int64_t across, int64_t columns,
                    float* to) noexcept {
    constexpr int A = W::kSide, M = W::kOut;
    for (int64_t h = 0; h < rows; ++h, plane += columns * L) {
        for (int64_t q = 0; q < across; ++q, to += A * L) {
            F d[A], t[A];
            TG_UNROLL
            for (int s = 0; s < A; ++s) d[s] = load(plane + (q * M + s) * L);
            W::input(d, t);
            TG_UNROLL
            for (int s = 0; s < A; ++s) store(to + s * L, t[s]);
        }
    }
}

// Column s of X: to[r][c][tile] of tiles [i0, i1).
// from: rows as transform_rows leaves them, or, kBack, the planes of gy.
template <class W, bool kBack, int s>
void transform_column(const Planes<W, kBack>& at, const float* from, int64_t i0, int64_t i1,
                      float* to) noexcept {
    constexpr int A = W::kSide, M = W::kOut;
    const int64_t row = kBack ? at.in_columns * L : at.across * A * L;
    for (int64_t i = i0; i < i1; ++i) {
        const int64_t q = at.column(i);
        const float* tile = from + at.row(i) * row + (kBack ? q * L : (q / M * A + s) * L);
        for (int64_t c = 0; c < at.channels; ++c, tile += at.in_rows * row) {
            F t[A];
            if constexpr (kBack) {
                F d[M];
                TG_UNROLL
                for (int r = 0; r < M; ++r) {
                    F w[M], points[A];
                    TG_UNROLL
                    for (int j = 0; j < M; ++j) w[j] = load(tile + r * row + j * L);
                    W::evaluate(w, points);
                    d[r] = points[s];
                }
                W::evaluate(d, t);
            } else {
                F d[A];
                TG_UNROLL
                for (int r = 0; r < A; ++r) d[r] = load(tile + r * row);
                W::input(d, t);
            }
            TG_UNROLL
            for (int r = 0; r < A; ++r) store(to + r * at.v_row + (c * kTiles + i - i0) * L, t[r]);
        }
    }
}

// The rows of one tile and output channel: written with bias and relu, those of `rows` x `columns`
// pixels that exist.
template <class W>
TG_INLINE void write_tile(const float* half, F bias, bool relu, int64_t rows, int64_t columns,
                          int64_t row_step, float* to) {
    constexpr int A = W::kSide, M = W::kOut;
    const F zero = {};
    TG_UNROLL
    for (int r = 0; r < M; ++r) {
        F d[A], t[M];
        TG_UNROLL
        for (int s = 0; s < A; ++s) d[s] = load(half + (r * A + s) * L);
        W::gather(d, t);
        TG_UNROLL
        for (int s = 0; s < M; ++s) {
            t[s] += bias;
            if (relu) t[s] = t[s] < zero ? zero : t[s];  // keeps NaN
            if (r < rows && s < columns) store(to + r * row_step + s * L, t[s]);
        }
    }
}
// The same of the gradient of the input: added.
template <class W>
TG_INLINE void add_tile(const float* half, int64_t row_step, float* to) {
    constexpr int A = W::kSide;
    TG_UNROLL
    for (int r = 0; r < A; ++r) {
        F t[A], d[A];
        TG_UNROLL
        for (int s = 0; s < A; ++s) t[s] = load(half + (r * A + s) * L);
        W::input_back(t, d);
        TG_UNROLL
        for (int s = 0; s < A; ++s) {
            float* pixel = to + r * row_step + s * L;
            store(pixel, load(pixel) + d[s]);
        }
    }
}

// Columns s, s + 1, ... of X and of the sums of all output channels of a group. u: [panel][xi][c][2L].
template <class W, bool kBack, int s = 0>
void sum_columns(const Planes<W, kBack>& at, const float* from, int64_t k_group, const float* u,
                 int64_t i0, int64_t i1, float* v, float* half) noexcept {
    constexpr int A = W::kSide, kSums = kTiles * Planes<W, kBack>::N * A * L;
    const int64_t u_xi = at.channels * 2 * L;
    transform_column<W, kBack, s>(at, from, i0, i1, v);
    for (int64_t k = 0; k < k_group; k += 2 * L) {
        const int64_t width = smaller(2 * L, k_group - k), blocks = tile_count(width, kMr);
        const float* column = u + k / (2 * L) * A * A * u_xi + s * u_xi;
        for (int64_t b = 0; b < blocks; ++b) {
            const int64_t k0 = tile_start(width, blocks, b), k1 = tile_start(width, blocks, b + 1);
            sum_column_of<W, kBack>(k1 - k0, i1 - i0, at, v, column + k0, A * u_xi,
                                    half + (k + k0) * kSums + s * L);
        }
    }
    if constexpr (s + 1 < A) {
        sum_columns<W, kBack, s + 1>(at, from, k_group, u, i0, i1, v, half);
    }
}

// The planes that the sums read, of `images` images from x on: as transform_column takes them.
template <class W, bool kBack>
void turn_planes(const Conv2dShape& g, const Planes<W, kBack>& at, const float* x, int images,
                 float* plane, float* to) noexcept {
    const int64_t ph = kBack ? 0 : g.ph, pw = kBack ? 0 : g.pw;
    const Source from = {x, 0, g.C * g.H * g.W, g.H, g.W, ph, pw};
    for (int64_t c = 0; c < at.channels; ++c, x += g.H * g.W) {
        float* turned = kBack ? to + c * at.in_rows * at.in_columns * L : plane;
        turn_rows(from, x, images, 0, at.in_rows, at.in_columns, turned);
        if constexpr (!kBack) {
            const int64_t row = at.across * W::kSide * L;
            transform_rows<W>(plane, at.in_rows, at.across, at.in_columns,
                              to + c * at.in_rows * row);
        }
    }
}

// Job: L images and a group of channels. u: [group][panel][xi][c][2L].  kBack: x is gy and y is gx.
template <class W, bool kBack>
void run(const ConvPlan& plan, const float* x, const float* u, const float* bias, bool relu,
         float* y, float* scratch) noexcept {
    constexpr int A = W::kSide, N = Planes<W, kBack>::N;
    const Conv2dShape& g = plan.conv;
    const Planes<W, kBack> at(plan);
    const int64_t k_group = g.K / g.groups, pixels = g.P * g.Q;
    const int64_t panels = (k_group + 2 * L - 1) / (2 * L);
    const int64_t plane = at.out_rows * at.out_columns * L, row = at.out_columns * L;
    const int64_t in = at.in_rows * (kBack ? at.in_columns : at.across * A) * L;
    const int64_t groups = tile_count(at.tiles, kTiles);
    parallel_for_dynamic((g.N + L - 1) / L * g.groups, plan.team, [&](int64_t job, int thread) {
        const int64_t group = job % g.groups, n = job / g.groups * L;
        const int images = int(smaller(L, g.N - n));
        float* xs = scratch + thread * plan.scratch;
        float* ys = xs + at.channels * in;
        float* v = ys + k_group * plane;
        float* half = v + A * at.v_row;
        turn_planes<W, kBack>(g, at, x + (n * g.C + group * at.channels) * g.H * g.W, images, half,
                              xs);
        if constexpr (kBack) zero_run(ys, k_group * plane);
        for (int64_t t = 0; t < groups; ++t) {
            const int64_t i0 = tile_start(at.tiles, groups, t);
            const int64_t i1 = tile_start(at.tiles, groups, t + 1);
            sum_columns<W, kBack>(at, xs, k_group, u + group * panels * A * A * at.channels * 2 * L,
                                  i0, i1, v, half);
            for (int64_t k = 0; k < k_group; ++k) {
                const F b = splat(bias ? bias[group * k_group + k] : 0.0f);
                for (int64_t i = i0; i < i1; ++i) {
                    const float* sums = half + (k * kTiles + i - i0) * N * A * L;
                    const int64_t p = at.row(i), q = at.column(i);
                    float* to = ys + k * plane + p * row + q * L;
                    if constexpr (kBack) {
                        add_tile<W>(sums, row, to);
                    } else {
                        write_tile<W>(sums, b, relu, g.P - p, g.Q - q, row, to);
                    }
                }
            }
        }
        float* to = y + (n * g.K + group * k_group) * pixels;
        if (at.out_rows == g.P && at.out_columns == g.Q) {
            return turn_back(ys, L, k_group * pixels, images, g.K * pixels, to);
        }
        const int64_t top = W::kKernel - 1 - g.ph, left = W::kKernel - 1 - g.pw;  // g is flipped
        for (int64_t k = 0; k < k_group; ++k) {
            for (int64_t h = 0; h < g.P; ++h) {
                turn_back(ys + k * plane + (h + top) * row + left * L, L, g.Q, images, g.K * pixels,
                          to + k * pixels + h * g.Q);
            }
        }
    });
}

template <class W>
void forward(const ConvPlan& plan, const ConvWeights& from, int64_t group_step, const float* x,
             const float* w, const float* bias, bool relu, float* y, float* u,
             float* scratch) noexcept {
    const Conv2dShape& g = plan.conv;
    const int64_t c_group = g.C / g.groups, panels = (from.rows + 2 * L - 1) / (2 * L);
    parallel_for(g.groups * panels, plan.team, [&](int64_t job) {
        transform_kernels<W>(from, w + job / panels * group_step, job % panels * 2 * L, 0, c_group,
                             c_group * 2 * L, u + job * W::kPoints * c_group * 2 * L);
    });
    (plan.transposed ? run<W, true> : run<W, false>)(plan, x, u, bias, relu, y, scratch);
}

}  // namespace

const ConvWinogradKernels conv_winograd5x5_images = {forward<Winograd<4, 5>>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
