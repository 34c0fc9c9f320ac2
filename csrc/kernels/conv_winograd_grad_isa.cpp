// Gradient of the weights by Winograd F(3x3, 4x4), F(3x3, 2x2), F(4x4, 3x3) and F(5x5, 4x4), float32,
// stride 1, no dilation:
//   gw = A^T [ sum over tiles (G gy G^T) (B^T x B) ] A, the forward transforms transposed.
//
//   The transformed tiles lie as the matrix product wants them, X[xi][tile][c] and Y[xi][tile][k].
//   Two ways to sum. Apart: a job owns a chunk of tiles, transforms a block of them into L2 and adds
//   its products to sums of its own, which are added in the chunks' order at the end. Together (when
//   those sums are large): all threads transform a chunk, then each sums some points over it. When
//   the sums are larger than all tiles are, each thread sums all points of a block of channels
//   instead and finishes them while they are in L2.
#include "kernels/conv_winograd_lanes.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
using namespace winograd;
namespace {

// sums[i][j] (+)= sum over tiles of y[tile][i] * x[tile][j]     i < MR, j < NV * L
template <int MR, int NV>
void product(int64_t tiles, const float* y, int64_t ldy, const float* x, int64_t ldx, bool add,
             float* sums, int64_t ld) noexcept {
    F acc[MR][NV] = {};
    gemm_tile<float, MR, NV>(tiles, y, ldy, 1, x, ldx, acc);
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) {
            float* to = sums + i * ld + j * L;
            store(to, add ? load(to) + acc[i][j] : acc[i][j]);
        }
    }
}
template <int NV>
void product_of(int64_t mr, int64_t tiles, const float* y, int64_t ldy, const float* x, int64_t ldx,
                bool add, float* sums, int64_t ld) noexcept {
    switch (mr) {
#define TG_CASE(MR)                                                       \
    case MR:                                                              \
        if constexpr (MR <= kTileMr) {                                    \
            return product<MR, NV>(tiles, y, ldy, x, ldx, add, sums, ld); \
        }                                                                 \
        break;
        TG_CASE(1)
        TG_CASE(2)
        TG_CASE(3)
        TG_CASE(4)
        TG_CASE(5)
        TG_CASE(6)
        TG_CASE(7)
        TG_CASE(8)
        TG_CASE(9)
        TG_CASE(10)
        TG_CASE(11)
        TG_CASE(12)
#undef TG_CASE
    }
}

// rows x columns channels of one point.
void point_product(int64_t rows, int64_t columns, int64_t tile_mr, int64_t tiles, const float* y,
                   int64_t ldy, const float* x, int64_t ldx, bool add, float* sums,
                   int64_t ld) noexcept {
    const int64_t count = tile_count(rows, tile_mr);
    for (int64_t c = 0; c < columns; c += 2 * L) {
        for (int64_t t = 0; t < count; ++t) {
            const int64_t k0 = tile_start(rows, count, t), k1 = tile_start(rows, count, t + 1);
            float* to = sums + k0 * ld + c;
            if (c + 2 * L <= columns) {
                product_of<2>(k1 - k0, tiles, y + k0, ldy, x + c, ldx, add, to, ld);
            } else {
                product_of<1>(k1 - k0, tiles, y + k0, ldy, x + c, ldx, add, to, ld);
            }
        }
    }
}

// taps[t][channel] to gw + channel * gw_step, runs of T.
template <int T>
TG_INLINE void store_taps(const F (&taps)[T], int64_t channels, float* gw, int64_t gw_step) {
    TG_UNROLL
    for (int s = 0; s < kTapSquares<T>; ++s) {
        const int t0 = square_start<T>(s);
        F square[L];
        TG_UNROLL
        for (int t = 0; t < L; ++t) square[t] = t0 + t < T ? taps[t0 + t] : F{};
        transpose<float>(square);
        TG_UNROLL
        for (int j = 0; j < L; ++j) {
            if (j >= channels) break;
            if constexpr (T < L) {
                store_n(gw + j * gw_step, square[j], T);
            } else {
                store(gw + j * gw_step + t0, square[j]);
            }
        }
    }
}

// The taps of one row of `channels` sums from the sums of all chunks, in their order; those of
// channel j go to gw + j * gw_step.
template <class W>
void finish_row(int64_t channels, int64_t chunks, const float* sums, int64_t chunk_step,
                int64_t xi_step, float* gw, int64_t gw_step) noexcept {
    constexpr int A = W::kSide, R = W::kKernel, T = R * R;
    for (int64_t c = 0; c < channels; c += L) {
        F half[R][A];
        TG_UNROLL
        for (int s = 0; s < A; ++s) {
            F d[A], t[R];
            TG_UNROLL
            for (int r = 0; r < A; ++r) d[r] = load(sums + (r * A + s) * xi_step + c);
            for (int64_t chunk = 1; chunk < chunks; ++chunk) {
                TG_UNROLL
                for (int r = 0; r < A; ++r) {
                    d[r] += load(sums + chunk * chunk_step + (r * A + s) * xi_step + c);
                }
            }
            W::gather(d, t);
            TG_UNROLL
            for (int r = 0; r < R; ++r) half[r][s] = t[r];
        }
        F taps[T];
        TG_UNROLL
        for (int r = 0; r < R; ++r) {
            F t[R];
            W::gather(half[r], t);
            TG_UNROLL
            for (int s = 0; s < R; ++s) taps[r * R + s] = t[s];
        }
        store_taps<T>(taps, smaller(L, channels - c), gw + c * gw_step, gw_step);
    }
}

// Sizes shared by the steps below: elements from tile to tile and from point to point. Sums are rows
// of output channels by input channels, or the other way round where that fills vectors better.
struct Layout {
    int64_t c_group, k_group, c_blocks, k_blocks;
    int64_t rows, columns;  // of the sums at one point; columns: whole vectors
    int64_t ldx, ldy, x_xi, y_xi, sums;
};
Layout layout(const ConvPlan& plan, int64_t tiles) {
    const Conv2dShape& g = plan.run;
    Layout l;
    l.c_group = g.C / g.groups;
    l.k_group = g.K / g.groups;
    l.c_blocks = (l.c_group + L - 1) / L;
    l.k_blocks = (l.k_group + L - 1) / L;
    l.rows = plan.swapped ? l.c_group : l.k_group;
    l.columns = (plan.swapped ? l.k_blocks : l.c_blocks) * L;
    l.ldx = plan.x_step;
    l.ldy = plan.y_step;
    l.x_xi = tiles * l.ldx + L;  // never a multiple of 4 KB, where stores and loads would collide
    l.y_xi = tiles * l.ldy + L;
    l.sums = l.rows * l.columns;
    return l;
}

// All sums of one point over `tiles` tiles.
void sum_point(const ConvPlan& plan, const Layout& l, int64_t tiles, const float* x, const float* y,
               bool add, float* sums) noexcept {
    const float *a = plan.swapped ? x : y, *b = plan.swapped ? y : x;
    const int64_t lda = plan.swapped ? l.ldx : l.ldy, ldb = plan.swapped ? l.ldy : l.ldx;
    point_product(l.rows, l.columns, plan.tile_mr, tiles, a, lda, b, ldb, add, sums, l.columns);
}

// Block `b` of L channels of x, then of the gradient, for tiles [i0, i1) that are tiles
// [i0 - base, ...) of the buffers.
template <class W>
void transform_channels(const ConvPlan& plan, const Layout& l, const float* x, const float* gy,
                        int64_t group, int64_t b, int64_t i0, int64_t i1, int64_t base,
                        float* lines, float* xt, float* yt) noexcept {
    const Conv2dShape& g = plan.conv;
    if (b < l.c_blocks) {
        const int64_t c = b * L, plane = g.H * g.W;
        const Source from = {
            x + (group * l.c_group + c) * plane, g.C * plane, plane, g.H, g.W, g.ph, g.pw};
        transform_tiles<W, As::input>(plan, from, int(smaller(L, l.c_group - c)), i0, i1, l.x_xi,
                                      lines,
                                      [&](int64_t i) { return xt + (i - base) * l.ldx + c; });
    } else {
        const int64_t k = (b - l.c_blocks) * L, plane = g.P * g.Q;
        const Source from = {
            gy + (group * l.k_group + k) * plane, g.K * plane, plane, g.P, g.Q, 0, 0};
        transform_tiles<W, As::kernel>(plan, from, int(smaller(L, l.k_group - k)), i0, i1, l.y_xi,
                                       lines,
                                       [&](int64_t i) { return yt + (i - base) * l.ldy + k; });
    }
}

// partial[chunk][group][xi][row][column]
template <class W>
void sum_apart(const ConvPlan& plan, const float* x, const float* gy, float* partial,
               float* scratch) noexcept {
    constexpr int64_t A2 = W::kPoints;
    const Conv2dShape& g = plan.run;
    const Layout l = layout(plan, plan.pixels);
    const int64_t all = g.N * g.P * g.Q, blocks = (all + plan.pixels - 1) / plan.pixels;
    const int64_t channel_blocks = l.c_blocks + l.k_blocks;
    parallel_for_dynamic(plan.chunks * g.groups, plan.team, [&](int64_t job, int thread) {
        const int64_t group = job % g.groups, chunk = job / g.groups;
        float* xt = scratch + thread * plan.scratch;
        float* yt = xt + A2 * l.x_xi;
        float* lines = yt + A2 * l.y_xi;
        float* sums = partial + job * A2 * l.sums;
        const int64_t first = blocks * chunk / plan.chunks;
        for (int64_t block = first; block < blocks * (chunk + 1) / plan.chunks; ++block) {
            const int64_t i0 = block * plan.pixels, i1 = smaller(all, i0 + plan.pixels);
            for (int64_t b = 0; b < channel_blocks; ++b) {
                transform_channels<W>(plan, l, x, gy, group, b, i0, i1, i0, lines, xt, yt);
            }
            for (int64_t xi = 0; xi < A2; ++xi) {
                sum_point(plan, l, i1 - i0, xt + xi * l.x_xi, yt + xi * l.y_xi, block > first,
                          sums + xi * l.sums);
            }
        }
    });
}

// All tiles are transformed: a job sums all points of a block of channels and finishes it.
template <class W>
void sum_block(const ConvPlan& plan, const Layout& l, int64_t job, const float* xt, const float* yt,
               float* gw, float* sums) noexcept {
    constexpr int64_t A2 = W::kPoints;
    constexpr int64_t kTilesInL1 = 96, kTaps = W::kKernel * W::kKernel;
    const int64_t all = plan.rows, ks = plan.k_splits, width = plan.channels;
    const int64_t k0 = tile_start(l.k_group, ks, job % ks);
    const int64_t k1 = tile_start(l.k_group, ks, job % ks + 1), c0 = job / ks * width;
    // Not a power of two: the points of a channel would share a set of L1 (256 x 256 channels, one
    // 14 x 14 image, a Zen 3: 0.8 of the time).
    const int64_t xi_step = (k1 - k0) * width + 16;
    for (int64_t xi = 0; xi < A2; ++xi) {
        for (int64_t i = 0; i < all; i += kTilesInL1) {
            point_product(k1 - k0, smaller(width, l.columns - c0), plan.tile_mr,
                          smaller(kTilesInL1, all - i), yt + xi * l.y_xi + i * l.ldy + k0, l.ldy,
                          xt + xi * l.x_xi + i * l.ldx + c0, l.ldx, i > 0, sums + xi * xi_step,
                          width);
        }
    }
    for (int64_t k = k0; k < k1; ++k) {
        finish_row<W>(smaller(width, l.c_group - c0), 1, sums + (k - k0) * width, 0, xi_step,
                      gw + (k * l.c_group + c0) * kTaps, kTaps);
    }
}

// sums[group][xi][row][column] over plan.rows tiles at a time, or, without `sums`, over all at once.
template <class W>
void sum_together(const ConvPlan& plan, const float* x, const float* gy, float* gw, float* sums,
                  float* shared, float* scratch) noexcept {
    constexpr int64_t A2 = W::kPoints;
    const Conv2dShape& g = plan.run;
    const Layout l = layout(plan, plan.rows);
    const int64_t all = g.N * g.P * g.Q;
    const int64_t channel_blocks = l.c_blocks + l.k_blocks;
    float *xt = shared, *yt = shared + A2 * l.x_xi;
    for (int64_t group = 0; group < g.groups; ++group) {
        for (int64_t i0 = 0; i0 < all; i0 += plan.rows) {
            const int64_t i1 = smaller(all, i0 + plan.rows);
            const int64_t blocks = (i1 - i0 + plan.pixels - 1) / plan.pixels;
            parallel_for_dynamic(channel_blocks * blocks, plan.team, [&](int64_t job, int thread) {
                const int64_t b = job / blocks, from = i0 + job % blocks * plan.pixels;
                transform_channels<W>(plan, l, x, gy, group, b, from,
                                      smaller(i1, from + plan.pixels), i0,
                                      scratch + thread * plan.scratch, xt, yt);
            });
            if (!sums) {
                const int64_t jobs =
                    plan.k_splits * ((l.columns + plan.channels - 1) / plan.channels);
                parallel_for_dynamic(jobs, plan.team, [&](int64_t job, int thread) {
                    sum_block<W>(plan, l, job, xt, yt,
                                 gw + group * l.k_group * l.c_group * W::kKernel * W::kKernel,
                                 scratch + thread * plan.scratch);
                });
                continue;
            }
            parallel_for_dynamic(A2, plan.team, [&](int64_t xi, int) {
                sum_point(plan, l, i1 - i0, xt + xi * l.x_xi, yt + xi * l.y_xi, i0 > 0,
                          sums + (group * A2 + xi) * l.sums);
            });
        }
    }
}

template <class W>
void backward_weight(const ConvPlan& plan, const float* x, const float* gy, float* gw,
                     float* partial, float* shared, float* scratch) noexcept {
    constexpr int64_t A2 = W::kPoints;
    const Conv2dShape& g = plan.run;
    if (plan.rows) {
        sum_together<W>(plan, x, gy, gw, plan.partial ? partial : nullptr, shared, scratch);
        if (!plan.partial) return;
    } else {
        sum_apart<W>(plan, x, gy, partial, scratch);
    }
    const Layout l = layout(plan, 0);
    constexpr int64_t kTaps = W::kKernel * W::kKernel;
    const int64_t lanes = plan.swapped ? l.k_group : l.c_group;
    const int64_t row_step = plan.swapped ? kTaps : l.c_group * kTaps;
    const int64_t lane_step = plan.swapped ? l.c_group * kTaps : kTaps;
    parallel_for(g.groups * l.rows, plan.team, [&](int64_t job) {
        const int64_t group = job / l.rows, row = job % l.rows;
        finish_row<W>(lanes, plan.chunks, partial + group * A2 * l.sums + row * l.columns,
                      g.groups * A2 * l.sums, l.sums,
                      gw + group * l.k_group * l.c_group * kTaps + row * row_step, lane_step);
    });
}

}  // namespace

const ConvWinogradGradKernels conv_winograd_grad4 = {backward_weight<Winograd<4, 3>>};
const ConvWinogradGradKernels conv_winograd_grad2 = {backward_weight<Winograd<2, 3>>};
const ConvWinogradGradKernels conv_winograd_grad4x4 = {backward_weight<Winograd<3, 4>>};
const ConvWinogradGradKernels conv_winograd_grad5x5 = {backward_weight<Winograd<4, 5>>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
