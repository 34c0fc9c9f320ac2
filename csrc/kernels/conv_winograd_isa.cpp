// Winograd convolution F(4x4, 3x3) and F(2x2, 3x3), float32, stride 1, no dilation, forward (and
// backward_input as the forward pass of flipped weights).
//
//   A job owns a block of tiles: it transforms their inputs into V (in L2), then, one tile of output
//   channels at a time, multiplies (M = U V, one matrix product for each of the 36 or 16 transform
//   points) and transforms M back at once, so that only a strip of M exists.
//   Multiplications: 36/144 (F4) or 16/36 (F2) of the plain sum's.
//   Error: TG_WINOGRAD_ERROR of conv.h times the plain sum's bound; held by a test.
#include "kernels/conv_winograd.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

constexpr int L = kLanes<float>;
using F = Vec<float>;

// Neighbouring tiles of one row of tiles: the first is tile `lane` of its panel and starts at `y`
// (without the channel's offset); rows and columns of the run that lie inside the map.
struct TileRun {
    int64_t y, lane, rows, columns;
};

// plan.run sees tiles as the pixels of a convolution with kernel (M+2) and stride M, whose packed
// pixels are the tiles' inputs; plan.conv is the convolution itself.
template <int M>
void place_runs(const ConvPlan& plan, int64_t i0, const Run* runs, const int* starts,
                int64_t panels, TileRun* out) noexcept {
    const Conv2dShape &g = plan.conv, &tiles = plan.run;
    int64_t i = i0;
    for (int j = 0; j < starts[panels]; i += runs[j++].len) {
        const int64_t n = i / (tiles.P * tiles.Q), p = i / tiles.Q % tiles.P * M,
                      q = i % tiles.Q * M;
        out[j] = {(n * g.K * g.P + p) * g.Q + q, (i - i0) % (2 * L), smaller(M, g.P - p),
                  smaller(runs[j].len * M, g.Q - q)};
    }
}

// V[xi][panel][c][2L] of channels [c0, c1); xi_step from point to point.
template <int M>
void transform_inputs(const ConvPlan& plan, const float* x, int64_t group, int64_t c0, int64_t c1,
                      int64_t i0, int64_t i1, const Run* runs, const int* starts, int64_t panels,
                      int64_t xi_step, float* lines, float* v) noexcept {
    constexpr int A = Winograd<M>::kSide;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups;
    float staged[A * A * 2 * L + L];  // [row][column][tile]
    for (int64_t c = c0; c < c1; ++c) {
        each_image(g, i0, i1, [&](int64_t n, int64_t p0, int64_t p1, int64_t first) {
            const float* plane = x + ((n * g.groups + group) * c_group + c) * g.H * g.W;
            fill_rows(plan, plane, p0, p1, lines + first * plan.row);
        });
        for (int64_t panel = 0; panel < panels; ++panel) {
            const int64_t tiles = smaller(2 * L, i1 - i0 - panel * 2 * L);
            if (tiles < 2 * L) zero_run(staged, A * A * 2 * L);
            for (int r = 0; r < A; ++r) {
                for (int s = 0; s < A; ++s) {
                    const float* from = lines + r * plan.row + s % M * plan.phase + s / M;
                    float* to = staged + (r * A + s) * 2 * L;
                    for (int i = starts[panel]; i < starts[panel + 1]; ++i) {
                        const Run run = runs[i];  // what it writes too much, the next overwrites
                        store(to + run.dst, load(from + run.src));
                        if (run.len > L) store(to + run.dst + L, load(from + run.src + L));
                    }
                }
            }
            float* to = v + (panel * c_group + c) * 2 * L;
            for (int half = 0; half < 2; ++half) {
                F rows[A][A];
                TG_UNROLL
                for (int r = 0; r < A; ++r) {
                    F d[A];
                    TG_UNROLL
                    for (int s = 0; s < A; ++s)
                        d[s] = load(staged + (r * A + s) * 2 * L + half * L);
                    Winograd<M>::input(d, rows[r]);
                }
                TG_UNROLL
                for (int s = 0; s < A; ++s) {
                    F d[A], t[A];
                    TG_UNROLL
                    for (int r = 0; r < A; ++r) d[r] = rows[r][s];
                    Winograd<M>::input(d, t);
                    TG_UNROLL
                    for (int r = 0; r < A; ++r) store(to + (r * A + s) * xi_step + half * L, t[r]);
                }
            }
        }
    }
}

// U[xi][c][row] of `rows` output channels from w; xi_step from point to point.
template <int M>
void transform_kernels(const ConvWeights& from, int64_t rows, const float* w, int64_t xi_step,
                       float* u) noexcept {
    constexpr int A = Winograd<M>::kSide;
    for (int64_t c = 0; c < from.outer_count; ++c, u += rows) {
        const float* source = w + c * from.outer;
        for (int64_t i = 0; i < rows; i += L) {
            const int n = int(smaller(L, rows - i));
            F half[A][3];
            TG_UNROLL
            for (int s = 0; s < 3; ++s) {
                F d[3], t[A];
                TG_UNROLL
                for (int r = 0; r < 3; ++r) {
                    float lanes[L] = {};
                    for (int j = 0; j < n; ++j) {
                        lanes[j] = source[(i + j) * from.row + (r * 3 + s) * from.inner];
                    }
                    d[r] = load(lanes);
                }
                Winograd<M>::kernel(d, t);
                TG_UNROLL
                for (int r = 0; r < A; ++r) half[r][s] = t[r];
            }
            TG_UNROLL
            for (int r = 0; r < A; ++r) {
                F t[A];
                Winograd<M>::kernel(half[r], t);
                TG_UNROLL
                for (int s = 0; s < A; ++s) store_n(u + (r * A + s) * xi_step + i, t[s], n);
            }
        }
    }
}

// One row of M x tiles outputs, written tile by tile: v[j] holds column j of L tiles.
template <int M>
TG_INLINE void interleave(const F (&v)[M], float* row) {
    if constexpr (M == 2) {
        store(row, zip_low(v[0], v[1]));
        store(row + L, zip_high(v[0], v[1]));
    } else {
        const F a = zip_low(v[0], v[2]), b = zip_high(v[0], v[2]);
        const F c = zip_low(v[1], v[3]), d = zip_high(v[1], v[3]);
        store(row, zip_low(a, c));
        store(row + L, zip_high(a, c));
        store(row + 2 * L, zip_low(b, d));
        store(row + 3 * L, zip_high(b, d));
    }
}

// A panel of one output channel: m[half][xi][L] back to outputs, bias and relu, into y.
template <int M>
void transform_outputs(const float* m, int64_t tiles, float bias, bool relu, const TileRun* runs,
                       int run_count, int64_t row_step, float* y) noexcept {
    constexpr int A = Winograd<M>::kSide;
    float rows[M][M * 2 * L];
    const F zero = {}, b = splat(bias);
    for (int64_t first = 0; first < tiles; first += L, m += A * A * L) {
        F half[M][A];
        TG_UNROLL
        for (int s = 0; s < A; ++s) {
            F d[A], t[M];
            TG_UNROLL
            for (int r = 0; r < A; ++r) d[r] = load(m + (r * A + s) * L);
            Winograd<M>::output(d, t);
            TG_UNROLL
            for (int r = 0; r < M; ++r) half[r][s] = t[r];
        }
        TG_UNROLL
        for (int r = 0; r < M; ++r) {
            F t[M];
            Winograd<M>::output(half[r], t);
            TG_UNROLL
            for (int s = 0; s < M; ++s) {
                t[s] += b;
                if (relu) t[s] = t[s] < zero ? zero : t[s];
            }
            interleave<M>(t, rows[r] + first * M);
        }
    }
    for (int i = 0; i < run_count; ++i) {
        const TileRun run = runs[i];
        for (int64_t r = 0; r < run.rows; ++r) {
            copy_run(y + run.y + r * row_step, rows[r] + run.lane * M, run.columns);
        }
    }
}

// m[i][half][xi][L] = sum_c u[xi][c][i] * v[xi][c][2L], for all points.
template <int A2, int MR>
void multiply(int64_t channels, const float* u, const float* v, int64_t xi_step,
              float* m) noexcept {
    for (int xi = 0; xi < A2; ++xi) {
        F acc[MR][2] = {};
        gemm_tile<float, MR, 2>(channels, u + xi * channels * MR, MR, 1, v + xi * xi_step, 2 * L,
                                acc);
        TG_UNROLL
        for (int i = 0; i < MR; ++i) {
            store(m + ((i * 2 + 0) * A2 + xi) * L, acc[i][0]);
            store(m + ((i * 2 + 1) * A2 + xi) * L, acc[i][1]);
        }
    }
}
template <int A2>
void multiply_of(int64_t mr, int64_t channels, const float* u, const float* v, int64_t xi_step,
                 float* m) noexcept {
    switch (mr) {
#define TG_CASE(MR)                                              \
    case MR:                                                     \
        if constexpr (MR <= kTileMr) {                           \
            return multiply<A2, MR>(channels, u, v, xi_step, m); \
        }                                                        \
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

// All kernels of one group: [k tile][xi][c][row of the tile].
template <int M>
void pack(const ConvPlan& plan, const ConvWeights& from, const float* w, float* u) noexcept {
    constexpr int64_t A2 = Winograd<M>::kSide * Winograd<M>::kSide;
    const int64_t count = tile_count(from.rows, plan.tile_mr);
    parallel_for(count, plan.team, [&](int64_t t) {
        const int64_t k0 = tile_start(from.rows, count, t),
                      k1 = tile_start(from.rows, count, t + 1);
        transform_kernels<M>(from, k1 - k0, w + k0 * from.row, from.outer_count * (k1 - k0),
                             u + k0 * from.outer_count * A2);
    });
}

template <int M>
void forward(const ConvPlan& plan, const float* x, const float* u, const float* bias, bool relu,
             float* y, float* scratch) noexcept {
    constexpr int A = Winograd<M>::kSide, A2 = A * A;
    const Conv2dShape &g = plan.run, &shape = plan.conv;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, all = g.N * g.P * g.Q;
    const int64_t blocks = (all + plan.pixels - 1) / plan.pixels;
    const int64_t count = tile_count(k_group, plan.tile_mr);
    const int64_t xi_step = plan.pixels * c_group + L;
    const int64_t jobs = blocks * g.groups * plan.k_splits;
    parallel_for_dynamic(jobs, plan.team, [&](int64_t job, int thread) {
        const int64_t split = job % plan.k_splits, group = job / plan.k_splits % g.groups;
        const int64_t i0 = job / plan.k_splits / g.groups * plan.pixels;
        const int64_t i1 = smaller(all, i0 + plan.pixels);
        Run runs[kMaxRuns];
        int starts[kMaxRuns];
        TileRun out[kMaxRuns];
        const int64_t panels = find_runs(plan, i0, i1, 0, false, runs, starts);
        place_runs<M>(plan, i0, runs, starts, panels, out);
        float* v = scratch + thread * plan.scratch;
        float* m = v + A2 * xi_step;
        float* lines = m + plan.tile_mr * 2 * A2 * L;
        transform_inputs<M>(plan, x, group, 0, c_group, i0, i1, runs, starts, panels, xi_step,
                            lines, v);
        const int64_t t0 = tile_start(count, plan.k_splits, split);
        const int64_t t1 = tile_start(count, plan.k_splits, split + 1);
        for (int64_t t = t0; t < t1; ++t) {
            const int64_t k0 = tile_start(k_group, count, t),
                          k1 = tile_start(k_group, count, t + 1);
            const int64_t k = group * k_group + k0;
            for (int64_t panel = 0; panel < panels; ++panel) {
                multiply_of<A2>(k1 - k0, c_group, u + k * c_group * A2, v + panel * c_group * 2 * L,
                                xi_step, m);
                const int64_t tiles = smaller(2 * L, i1 - i0 - panel * 2 * L);
                for (int64_t i = 0; i < k1 - k0; ++i) {
                    float* plane = y + (k + i) * shape.P * shape.Q;
                    const float b = bias ? bias[k + i] : 0.0f;
                    const int first = starts[panel], last = starts[panel + 1];
                    transform_outputs<M>(m + i * 2 * A2 * L, tiles, b, relu, out + first,
                                         last - first, shape.Q, plane);
                }
            }
        }
    });
}

}  // namespace

const ConvWinogradKernels conv_winograd4 = {pack<4>, forward<4>};
const ConvWinogradKernels conv_winograd2 = {pack<2>, forward<2>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
