// Winograd convolution F(4x4, 3x3), F(2x2, 3x3), F(3x3, 4x4) and F(4x4, 5x5), float32, stride 1, no
// dilation, forward (and backward_input as the forward pass of flipped weights).
//
//   For each of the 36 (16, 36, 64) transform points a matrix product M = X U, X: tiles x input
//   channels, U: input x output channels; lanes hold output channels, the rows of a register tile
//   are tiles. Multiplications: 36/144 (16/36, 36/144, 64/400) of the plain sum's. Error: at
//   most 8 (1, 8, 8) times the plain sum's bound at its largest; measured 5.6 (0.3, 5.4, 4.5).
//   Two orders. Blocks: U is made once; a job owns some rows of tiles, keeps their X in L2 and
//   takes one panel of output channels after the other. Panels (when U and X outgrow L2): X is made
//   once, a job owns a panel of output channels and makes its share of U, some input channels at a
//   time, in L2; nothing of the size of U is ever written to memory.
//   In both, a panel of M (two vectors of output channels) is transformed back while in cache.
//   Transposed, the gradient of the input: the tiles of gy do not overlap, those of gx do and are
//   added image by image; so nothing is computed for zero padding, of which the flipped pass has
//   R - 1 - padding on every side.
#include "kernels/conv_winograd_lanes.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
using namespace winograd;
namespace {

// The transformed inputs of some tiles: balanced groups of at most tile_mr tiles, and in a group
// blocks of L channels, (tile, L) each: a register tile reads its rows at constant distances.
struct Groups {
    int64_t tiles, count, channels;  // channels: rounded up to whole vectors
    static Groups make(int64_t tiles, int64_t tile_mr, int64_t channels) {
        return {tiles, tile_count(tiles, tile_mr), channels};
    }
    int64_t start(int64_t group) const { return tile_start(tiles, count, group); }
};

template <class W, As kAs>
void transform_inputs(const ConvPlan& plan, const float* x, int64_t group, int64_t block,
                      const Groups& groups, int64_t i0, int64_t i1, int64_t base, int64_t xi_step,
                      float* lines, float* xt) noexcept {
    const Conv2dShape& g = plan.conv;
    const int64_t c_group = g.C / g.groups, c = block * L, plane = g.H * g.W;
    const Source from = {x + (group * c_group + c) * plane,
                         g.C * plane,
                         plane,
                         g.H,
                         g.W,
                         kAs == As::input ? g.ph : 0,
                         kAs == As::input ? g.pw : 0};
    int64_t at = i0 - base, t = at * groups.count / groups.tiles;  // the group of the first tile
    while (groups.start(t + 1) <= at) ++t;
    transform_tiles<W, kAs>(
        plan, from, int(smaller(L, c_group - c)), i0, i1, xi_step, lines, [&](int64_t i) {
            if (i - base == groups.start(t + 1)) ++t;
            const int64_t start = groups.start(t);
            const int64_t size = groups.start(t + 1) - start;
            return xt + start * groups.channels + block * size * L + (i - base - start) * L;
        });
}

// m[i][2L] (+)= sum_c x[c / L][i][c % L] * u[c][2L]     i < MR; the first NV vectors of 2L
template <int MR, int NV>
void product(int64_t channels, const float* x, const float* u, bool add, float* m) noexcept {
    F acc[MR][NV];
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) acc[i][j] = add ? load(m + i * 2 * L + j * L) : F{};
    }
    for (; channels > 0; channels -= L, x += MR * L, u += 2 * L * L) {
        gemm_tile<float, MR, NV>(smaller(L, channels), x, 1, L, u, 2 * L, acc);
    }
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) store(m + i * 2 * L + j * L, acc[i][j]);
    }
}
template <int NV>
TG_INLINE void product_of(int64_t mr, int64_t channels, const float* x, const float* u, bool add,
                          float* m) {
    switch (mr) {
#define TG_CASE(MR)                                         \
    case MR:                                                \
        if constexpr (MR <= kTileMr) {                      \
            return product<MR, NV>(channels, x, u, add, m); \
        }                                                   \
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

// All points of a panel: m[group][xi][tile][2L], from channels [c0, c0 + channels) of xt; L | c0.
// wide: output channels beyond the first vector exist.
void multiply(int points, const Groups& groups, bool wide, int64_t c0, int64_t channels,
              const float* xt, int64_t x_xi, const float* u, int64_t u_xi, bool add,
              float* m) noexcept {
    for (int xi = 0; xi < points; ++xi) {
        for (int64_t t = 0; t < groups.count; ++t) {
            const int64_t start = groups.start(t), size = groups.start(t + 1) - start;
            const float* from = xt + xi * x_xi + start * groups.channels + c0 * size;
            float* to = m + (start * points + xi * size) * 2 * L;
            if (wide) {
                product_of<2>(size, channels, from, u + xi * u_xi, add, to);
            } else {
                product_of<1>(size, channels, from, u + xi * u_xi, add, to);
            }
        }
    }
}

// One tile and L output channels back to pixels, with bias and relu.
template <class W>
TG_INLINE void transform_output(const float* m, int64_t xi_step, F bias, bool relu, int64_t rows,
                                int64_t columns, int64_t row_step, float* to) {
    constexpr int A = W::kSide, M = W::kOut;
    F half[M][A];
    TG_UNROLL
    for (int s = 0; s < A; ++s) {
        F d[A], t[M];
        TG_UNROLL
        for (int r = 0; r < A; ++r) d[r] = load(m + (r * A + s) * xi_step);
        W::gather(d, t);
        TG_UNROLL
        for (int r = 0; r < M; ++r) half[r][s] = t[r];
    }
    const F zero = {};
    TG_UNROLL
    for (int r = 0; r < M; ++r) {
        F t[M];
        W::gather(half[r], t);
        TG_UNROLL
        for (int s = 0; s < M; ++s) {
            t[s] += bias;
            if (relu) t[s] = t[s] < zero ? zero : t[s];
            if (r < rows && s < columns) store(to + r * row_step + s * 2 * L, t[s]);
        }
    }
}

// The panel of output channels from k (in its group of channels) of tiles [i0, i1), whole rows of
// tiles, from m into y.
template <class W>
void write_panel(const ConvPlan& plan, const float* m, const Groups& groups, int64_t group,
                 int64_t k, int64_t i0, int64_t i1, const float* bias, bool relu, float* lines,
                 float* y) noexcept {
    constexpr int A2 = W::kPoints;
    constexpr int64_t M = W::kOut;
    const Conv2dShape &g = plan.conv, &tiles = plan.run;
    const int64_t k_group = g.K / g.groups, plane = g.P * g.Q;
    int64_t t = 0;
    each_image(tiles, i0, i1, [&](int64_t n, int64_t p0, int64_t p1, int64_t) {
        const int64_t end = smaller(i1, (n * tiles.P + p1) * tiles.Q);
        const int64_t first = (n * tiles.P + p0) * tiles.Q;
        const int64_t pixels = (smaller(p1 * M, g.P) - p0 * M) * g.Q;
        for (int64_t i = first; i < end; ++i) {
            if (i - i0 == groups.start(t + 1)) ++t;
            const int64_t start = groups.start(t), size = groups.start(t + 1) - start;
            const int64_t p = (i - first) / tiles.Q * M, q = (i - first) % tiles.Q * M;
            const float* from = m + (start * A2 + i - i0 - start) * 2 * L;
            for (int half = 0; half < 2; ++half) {
                const int64_t row = k + half * L;
                if (row >= k_group) break;
                const int valid = int(smaller(L, k_group - row));
                const F b = bias ? load_n(bias + group * k_group + row, valid) : F{};
                transform_output<W>(from + half * L, size * 2 * L, b, relu,
                                    smaller(M, g.P - p0 * M - p), smaller(M, g.Q - q), g.Q * 2 * L,
                                    lines + (p * g.Q + q) * 2 * L + half * L);
            }
        }
        for (int half = 0; half < 2; ++half) {
            const int64_t row = k + half * L;
            if (row >= k_group) break;
            turn_back(lines + half * L, 2 * L, pixels, int(smaller(L, k_group - row)), plane,
                      y + (n * g.K + group * k_group + row) * plane + p0 * M * g.Q);
        }
    });
}

// One tile and L input channels back to the pixels that it overlaps, added.
template <class W>
TG_INLINE void add_tile(const float* m, int64_t xi_step, int64_t row_step, float* to) {
    constexpr int A = W::kSide;
    F half[A][A];
    TG_UNROLL
    for (int s = 0; s < A; ++s) {
        F t[A], d[A];
        TG_UNROLL
        for (int r = 0; r < A; ++r) t[r] = load(m + (r * A + s) * xi_step);
        W::input_back(t, d);
        TG_UNROLL
        for (int r = 0; r < A; ++r) half[r][s] = d[r];
    }
    TG_UNROLL
    for (int r = 0; r < A; ++r) {
        F d[A];
        W::input_back(half[r], d);
        TG_UNROLL
        for (int s = 0; s < A; ++s) {
            float* pixel = to + r * row_step + s * 2 * L;
            store(pixel, load(pixel) + d[s]);
        }
    }
}

// The panel of gx that starts at channel k (in its group) of tiles [i0, i1), whole images: the tiles
// of each overlap in its padded plane, lines[pixel][2L].
template <class W>
void add_panel(const ConvPlan& plan, const float* m, const Groups& groups, int64_t group, int64_t k,
               int64_t i0, int64_t i1, float* lines, float* gx) noexcept {
    constexpr int A2 = W::kPoints;
    constexpr int64_t M = W::kOut, R = W::kKernel;
    const Conv2dShape &g = plan.conv, &tiles = plan.run;
    const int64_t k_group = g.K / g.groups, plane = g.P * g.Q, image = tiles.P * tiles.Q;
    const int64_t columns = tiles.Q * M + R - 1, rows = tiles.P * M + R - 1;
    const int64_t top = R - 1 - g.ph, left = R - 1 - g.pw;  // g is the flipped convolution
    int64_t t = 0;
    for (int64_t first = i0; first < i1; first += image) {
        zero_run(lines, rows * columns * 2 * L);
        for (int64_t i = first; i < first + image; ++i) {
            if (i - i0 == groups.start(t + 1)) ++t;
            const int64_t start = groups.start(t), size = groups.start(t + 1) - start;
            const int64_t p = (i - first) / tiles.Q * M, q = (i - first) % tiles.Q * M;
            const float* from = m + (start * A2 + i - i0 - start) * 2 * L;
            for (int half = 0; half < 2 && k + half * L < k_group; ++half) {
                add_tile<W>(from + half * L, size * 2 * L, columns * 2 * L,
                            lines + (p * columns + q) * 2 * L + half * L);
            }
        }
        float* to = gx + (first / image * g.K + group * k_group + k) * plane;
        for (int half = 0; half < 2 && k + half * L < k_group; ++half) {
            const int channels = int(smaller(L, k_group - k - half * L));
            const float* from = lines + (top * columns + left) * 2 * L + half * L;
            if (columns == g.Q) {
                turn_back(from, 2 * L, plane, channels, plane, to + half * L * plane);
                continue;
            }
            for (int64_t h = 0; h < g.P; ++h) {
                turn_back(from + h * columns * 2 * L, 2 * L, g.Q, channels, plane,
                          to + half * L * plane + h * g.Q);
            }
        }
    }
}

// Job: plan.rows rows of tiles, a group of channels, and a share of its panels.
// u: [group][panel][xi][c][2L].  kBack: x is gy and y is gx.
template <class W, bool kBack>
void by_blocks(const ConvPlan& plan, const float* x, const float* u, const float* bias, bool relu,
               float* y, float* scratch) noexcept {
    constexpr int A2 = W::kPoints;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups;
    const int64_t c_blocks = (c_group + L - 1) / L, panels = (k_group + 2 * L - 1) / (2 * L);
    const int64_t all = g.N * g.P, blocks = (all + plan.rows - 1) / plan.rows;
    const int64_t u_xi = c_group * 2 * L;
    parallel_for_dynamic(
        blocks * g.groups * plan.k_splits, plan.team, [&](int64_t job, int thread) {
            const int64_t split = job % plan.k_splits, group = job / plan.k_splits % g.groups;
            const int64_t row = job / plan.k_splits / g.groups * plan.rows;
            const int64_t i0 = row * g.Q, i1 = smaller(all, row + plan.rows) * g.Q;
            const Groups groups = Groups::make(i1 - i0, plan.tile_mr, c_blocks * L);
            const int64_t x_xi = plan.pixels * c_blocks * L + L;
            float* xt = scratch + thread * plan.scratch;
            float* m = xt + A2 * x_xi;
            float* lines = m + A2 * plan.pixels * 2 * L;
            for (int64_t b = 0; b < c_blocks; ++b) {
                transform_inputs<W, kBack ? As::values : As::input>(plan, x, group, b, groups, i0,
                                                                    i1, i0, x_xi, lines, xt);
            }
            const int64_t first = tile_start(panels, plan.k_splits, split);
            for (int64_t p = first; p < tile_start(panels, plan.k_splits, split + 1); ++p) {
                multiply(A2, groups, k_group - p * 2 * L > L, 0, c_group, xt, x_xi,
                         u + (group * panels + p) * A2 * u_xi, u_xi, false, m);
                if constexpr (kBack) {
                    add_panel<W>(plan, m, groups, group, p * 2 * L, i0, i1, lines, y);
                } else {
                    write_panel<W>(plan, m, groups, group, p * 2 * L, i0, i1, bias, relu, lines, y);
                }
            }
        });
}

// A chunk of plan.rows rows of tiles at a time. shared: their X; scratch: U of plan.channels input
// channels, M and lines.
template <class W>
void by_panels(const ConvPlan& plan, const ConvWeights& from, const float* x, const float* w,
               int64_t group, const float* bias, bool relu, float* y, float* shared,
               float* scratch) noexcept {
    constexpr int A2 = W::kPoints;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups;
    const int64_t c_blocks = (c_group + L - 1) / L, panels = (k_group + 2 * L - 1) / (2 * L);
    const int64_t all = g.N * g.P, x_xi = plan.pixels * c_blocks * L + L;
    const int64_t u_xi = plan.channels * 2 * L + L;
    for (int64_t row = 0; row < all; row += plan.rows) {
        const int64_t end = smaller(all, row + plan.rows), rows = end - row;
        const int64_t i0 = row * g.Q, i1 = end * g.Q;
        const Groups groups = Groups::make(i1 - i0, plan.tile_mr, c_blocks * L);
        // Shares of the rows: a few rows, or a few images where they are small.
        const int64_t parts = smaller(rows, 4);
        parallel_for_dynamic(c_blocks * parts, plan.team, [&](int64_t job, int thread) {
            const int64_t part = job % parts, a = row + tile_start(rows, parts, part);
            const int64_t b = row + tile_start(rows, parts, part + 1);
            transform_inputs<W, As::input>(plan, x, group, job / parts, groups, a * g.Q, b * g.Q,
                                           i0, x_xi, scratch + thread * plan.scratch, shared);
        });
        parallel_for_dynamic(panels, plan.team, [&](int64_t p, int thread) {
            float* u = scratch + thread * plan.scratch;
            float* m = u + A2 * u_xi;
            float* lines = m + A2 * plan.pixels * 2 * L;
            for (int64_t c = 0; c < c_group; c += plan.channels) {
                const int64_t c1 = smaller(c_group, c + plan.channels);
                transform_kernels<W>(from, w, p * 2 * L, c, c1, u_xi, u);
                multiply(A2, groups, k_group - p * 2 * L > L, c, c1 - c, shared, x_xi, u, u_xi,
                         c > 0, m);
            }
            write_panel<W>(plan, m, groups, group, p * 2 * L, i0, i1, bias, relu, lines, y);
        });
    }
}

// All of U, then blocks.
template <class W, bool kBack>
void with_kernels(const ConvPlan& plan, const ConvWeights& from, int64_t group_step, const float* x,
                  const float* w, const float* bias, bool relu, float* y, float* u,
                  float* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, panels = (from.rows + 2 * L - 1) / (2 * L);
    parallel_for(g.groups * panels, plan.team, [&](int64_t job) {
        transform_kernels<W>(from, w + job / panels * group_step, job % panels * 2 * L, 0, c_group,
                             c_group * 2 * L, u + job * W::kPoints * c_group * 2 * L);
    });
    by_blocks<W, kBack>(plan, x, u, bias, relu, y, scratch);
}

template <class W>
void forward(const ConvPlan& plan, const ConvWeights& from, int64_t group_step, const float* x,
             const float* w, const float* bias, bool relu, float* y, float* shared,
             float* scratch) noexcept {
    if (plan.transposed) {
        return with_kernels<W, true>(plan, from, group_step, x, w, bias, relu, y, shared, scratch);
    }
    if (!plan.channels) {
        return with_kernels<W, false>(plan, from, group_step, x, w, bias, relu, y, shared, scratch);
    }
    for (int64_t group = 0; group < plan.run.groups; ++group) {
        by_panels<W>(plan, from, x, w + group * group_step, group, bias, relu, y, shared, scratch);
    }
}

}  // namespace

const ConvWinogradKernels conv_winograd4 = {forward<Winograd<4, 3>>};
const ConvWinogradKernels conv_winograd2 = {forward<Winograd<2, 3>>};
const ConvWinogradKernels conv_winograd4x4 = {forward<Winograd<3, 4>>};
const ConvWinogradKernels conv_winograd5x5 = {forward<Winograd<4, 5>>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
