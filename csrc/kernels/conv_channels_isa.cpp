// Direct convolution with output channels in the lanes: the rows of a register tile are neighbouring
// pixels of a row, read from padded rows in place and broadcast; so no pixel is packed, narrow rows
// waste nothing, and a stride costs nothing. The results, (pixel, channel), are transposed once in
// registers on their way to y.
#include "kernels/conv_lines.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// to[i * 2L + j] = relu(bias[j] + sum_d a[offsets[d] + i] * b[d * 2L + j])   i < MR, j < NV * lanes
//   Tile sizes as in gemm_tile.h. Error: (depth + 1) * eps * sum |a| |b|, the plain sum's.
template <class T, int MR, int NV>
void tile(int64_t depth, const T* __restrict a, const T* __restrict b,
          const int64_t* __restrict offsets, const Vec<T>* bias, bool relu, T* to) noexcept {
    constexpr int L = kLanes<T>;
    Vec<T> acc[MR][NV];
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) acc[i][j] = bias[j];
    }
    for (int64_t d = 0; d < depth; ++d, b += 2 * L) {
        const T* ad = a + offsets[d];
        Vec<T> v[NV];
        TG_UNROLL
        for (int j = 0; j < NV; ++j) v[j] = load(b + j * L);
        TG_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec<T> ai = splat(ad[i]);
            TG_UNROLL
            for (int j = 0; j < NV; ++j) acc[i][j] = fma(ai, v[j], acc[i][j]);
        }
    }
    const Vec<T> zero = {};
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) {
            Vec<T> v = acc[i][j];
            if (relu) v = v < zero ? zero : v;  // keeps NaN
            store(to + i * 2 * L + j * L, v);
        }
    }
}

template <class T, int NV>
TG_INLINE void tile_of(int64_t mr, int64_t depth, const T* a, const T* b, const int64_t* offsets,
                       const Vec<T>* bias, bool relu, T* to) {
    switch (mr) {
#define TG_CASE(MR)                                                       \
    case MR:                                                              \
        if constexpr (MR <= kTileMr) {                                    \
            return tile<T, MR, NV>(depth, a, b, offsets, bias, relu, to); \
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

// packed[panel][term][2L], 0 where there is no row.
template <class T>
void pack(const ConvWeights& from, int team, const T* w, T* packed) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t depth = from.outer_count * from.inner_count;
    const bool rows_dense = from.inner == 1 && from.outer == from.inner_count;
    parallel_for((from.rows + 2 * L - 1) / (2 * L) * 2, team, [&](int64_t half) {
        T* to = packed + half / 2 * depth * 2 * L + half % 2 * L;
        const T* rows = w + half * L * from.row;
        const int count = int(larger(0, smaller(L, from.rows - half * L)));
        if (count == 0) {
            for (int64_t d = 0; d < depth; ++d) store(to + d * 2 * L, Vec<T>{});
        } else if (rows_dense) {
            for (int64_t d = 0; d < depth; d += L) {
                const int n = int(smaller(L, depth - d));
                Vec<T> square[L];
                for (int i = 0; i < L; ++i) {
                    square[i] = i < count ? load_n(rows + i * from.row + d, n) : Vec<T>{};
                }
                transpose<T>(square);
                for (int j = 0; j < n; ++j) store(to + (d + j) * 2 * L, square[j]);
            }
        } else {
            for (int64_t d = 0; d < depth; ++d) {
                const T* term =
                    rows + d / from.inner_count * from.outer + d % from.inner_count * from.inner;
                T lanes[L] = {};
                for (int i = 0; i < count; ++i) lanes[i] = term[i * from.row];
                store(to + d * 2 * L, load(lanes));
            }
        }
    });
}

// Job: some output rows of one image and group, and a share of the panels of output channels.
template <class T>
void forward(const ConvPlan& plan, const T* x, const T* wp, const int64_t* offsets, const T* bias,
             bool relu, T* y, T* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, pq = g.P * g.Q;
    const int64_t blocks = (g.P + plan.rows - 1) / plan.rows;
    const int64_t panels = (k_group + 2 * L - 1) / (2 * L), tiles = tile_count(g.Q, plan.tile_mr);
    const int64_t jobs = g.N * g.groups * blocks * plan.k_splits;
    parallel_for_dynamic(jobs, plan.team, [&](int64_t job, int thread) {
        const int64_t split = job % plan.k_splits, block = job / plan.k_splits % blocks;
        const int64_t image = job / plan.k_splits / blocks;  // n * groups + group
        const int64_t n = image / g.groups, group = image % g.groups;
        const int64_t p0 = block * plan.rows, p1 = smaller(g.P, p0 + plan.rows);
        T* out = scratch + thread * plan.scratch;  // (pixel, 2L)
        T* lines = out + plan.rows * g.Q * 2 * L;
        const T* plane = x + image * c_group * g.H * g.W;
        for (int64_t c = 0; c < c_group; ++c, plane += g.H * g.W) {
            fill_rows(plan, plane, p0, p1, lines + c * plan.in_rows * plan.row);
        }
        const int64_t last = tile_start(panels, plan.k_splits, split + 1);
        for (int64_t panel = tile_start(panels, plan.k_splits, split); panel < last; ++panel) {
            const int64_t k0 = panel * 2 * L, left = k_group - k0;
            const T* b = wp + (group * panels + panel) * plan.depth * 2 * L;
            Vec<T> start[2] = {};
            if (bias) {
                const T* from = bias + group * k_group + k0;
                start[0] = load_n(from, int(smaller(L, left)));
                if (left > L) start[1] = load_n(from + L, int(smaller(L, left - L)));
            }
            for (int64_t p = p0; p < p1; ++p) {
                const T* row = lines + (p - p0) * g.sh * plan.row;
                T* to = out + (p - p0) * g.Q * 2 * L;
                for (int64_t t = 0; t < tiles; ++t) {
                    const int64_t q = tile_start(g.Q, tiles, t);
                    const int64_t mr = tile_start(g.Q, tiles, t + 1) - q;
                    if (left > L) {
                        tile_of<T, 2>(mr, plan.depth, row + q, b, offsets, start, relu,
                                      to + q * 2 * L);
                    } else {
                        tile_of<T, 1>(mr, plan.depth, row + q, b, offsets, start, relu,
                                      to + q * 2 * L);
                    }
                }
            }
            T* planes = y + (n * g.K + group * k_group + k0) * pq + p0 * g.Q;
            for (int64_t half = 0; half < 2 && half * L < left; ++half) {
                turn_back(out + half * L, 2 * L, (p1 - p0) * g.Q, int(smaller(L, left - half * L)),
                          pq, planes + half * L * pq);
            }
        }
    });
}

}  // namespace

const ConvChannelKernels<float> conv_channels_f32 = {pack<float>, forward<float>};
const ConvChannelKernels<double> conv_channels_f64 = {pack<double>, forward<double>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
