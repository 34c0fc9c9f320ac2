// Convolution as products of register tiles: `direct` reads padded rows in place, `gemm` pixels
// packed tap by tap. Both are one loop: term d of the sum over (c, r, s) of a panel of pixels lies
// offsets[d] behind the panel's first pixel, and only that table differs.
#include "kernels/conv_lines.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// Where a tile goes: rows ldy apart, `n` pixels of NV vectors.
template <class T>
struct Out {
    T* y;
    int64_t ldy;
    int n;
    const T* bias;  // of the tile's rows, or null
    bool relu;
};

// y[i][j] = bias[i] + sum_d a[d * MR + i] * b[offsets[d] + j]      i < MR, j < NV * lanes
//   Tile sizes as in gemm_tile.h. Error: (depth + 1) * eps * sum |a| |b|, the plain sum's.
template <class T, int MR, int NV>
void tile(int64_t depth, const T* __restrict a, const T* __restrict b,
          const int64_t* __restrict offsets, const Out<T>& out) noexcept {
    constexpr int L = kLanes<T>;
    Vec<T> acc[MR][NV];
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        const Vec<T> start = splat(out.bias ? out.bias[i] : T(0));
        TG_UNROLL
        for (int j = 0; j < NV; ++j) acc[i][j] = start;
    }
    for (int64_t d = 0; d < depth; ++d, a += MR) {
        const T* bd = b + offsets[d];
        Vec<T> v[NV];
        TG_UNROLL
        for (int j = 0; j < NV; ++j) v[j] = load(bd + j * L);
        TG_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec<T> ai = splat(a[i]);
            TG_UNROLL
            for (int j = 0; j < NV; ++j) acc[i][j] = fma(ai, v[j], acc[i][j]);
        }
    }
    const Vec<T> zero = {};
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        T* y = out.y + i * out.ldy;
        TG_UNROLL
        for (int j = 0; j < NV; ++j) {
            Vec<T> v = acc[i][j];
            if (out.relu) v = v < zero ? zero : v;  // keeps NaN
            if (out.n >= (j + 1) * L) {
                store(y + j * L, v);
            } else {
                store_n(y + j * L, v, out.n - j * L);
            }
        }
    }
}

template <class T, int NV>
void tile_of(int64_t mr, int64_t depth, const T* a, const T* b, const int64_t* offsets,
             const Out<T>& out) noexcept {
    switch (mr) {
#define TG_CASE(MR)                                            \
    case MR:                                                   \
        if constexpr (MR <= kTileMr) {                         \
            return tile<T, MR, NV>(depth, a, b, offsets, out); \
        }                                                      \
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

// Tiles [t0, t1) of one group over one panel; y is the first row of tile t0.
template <class T>
void tiles(const ConvPlan& plan, int64_t group, int64_t t0, int64_t t1, const T* wp, const T* b,
           const int64_t* offsets, const T* bias, bool relu, T* y, int64_t ldy, int n) noexcept {
    const int64_t rows = plan.run.K / plan.run.groups, count = tile_count(rows, plan.tile_mr);
    const int64_t first = tile_start(rows, count, t0);
    for (int64_t t = t0; t < t1; ++t) {
        const int64_t k0 = tile_start(rows, count, t), k1 = tile_start(rows, count, t + 1);
        const int64_t k = group * rows + k0;
        const Out<T> out = {y + (k0 - first) * ldy, ldy, n, bias ? bias + k : nullptr, relu};
        const T* a = wp + k * plan.depth;
        if (n <= kLanes<T>) {
            tile_of<T, 1>(k1 - k0, plan.depth, a, b, offsets, out);
        } else {
            tile_of<T, 2>(k1 - k0, plan.depth, a, b, offsets, out);
        }
    }
}

template <class T>
void pack(const ConvWeights& from, int64_t tile_mr, const T* w, T* packed) noexcept {
    const int64_t count = tile_count(from.rows, tile_mr);
    for (int64_t t = 0; t < count; ++t) {
        const int64_t i0 = tile_start(from.rows, count, t);
        const int64_t i1 = tile_start(from.rows, count, t + 1);
        for (int64_t o = 0; o < from.outer_count; ++o) {
            for (int64_t s = 0; s < from.inner_count; ++s) {
                const T* source = w + o * from.outer + s * from.inner;
                for (int64_t i = i0; i < i1; ++i) *packed++ = source[i * from.row];
            }
        }
    }
}

// Job: some output rows of one image and group, and a share of the output channels.
template <class T>
void direct(const ConvPlan& plan, const T* x, const T* wp, const int64_t* offsets, const T* bias,
            bool relu, T* y, T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, pq = g.P * g.Q;
    const int64_t blocks = (g.P + plan.rows - 1) / plan.rows;
    const int64_t count = tile_count(k_group, plan.tile_mr);
    const int64_t jobs = g.N * g.groups * blocks * plan.k_splits;
    parallel_for_dynamic(jobs, plan.team, [&](int64_t job, int thread) {
        const int64_t split = job % plan.k_splits, block = job / plan.k_splits % blocks;
        const int64_t image = job / plan.k_splits / blocks;  // n * groups + group
        const int64_t n = image / g.groups, group = image % g.groups;
        const int64_t p0 = block * plan.rows, p1 = smaller(g.P, p0 + plan.rows);
        T* lines = scratch + thread * plan.scratch;
        const T* plane = x + image * c_group * g.H * g.W;
        for (int64_t c = 0; c < c_group; ++c, plane += g.H * g.W) {
            fill_rows(plan, plane, p0, p1, lines + c * plan.in_rows * plan.row);
        }
        const int64_t t0 = tile_start(count, plan.k_splits, split);
        const int64_t t1 = tile_start(count, plan.k_splits, split + 1);
        T* to = y + (n * g.K + group * k_group + tile_start(k_group, count, t0)) * pq;
        for (int64_t p = p0; p < p1; ++p) {
            const T* b = lines + (p - p0) * g.sh * plan.row;
            for (int64_t q = 0; q < g.Q; q += plan.panel) {
                tiles(plan, group, t0, t1, wp, b + q, offsets, bias, relu, to + p * g.Q + q, pq,
                      int(smaller(plan.panel, g.Q - q)));
            }
        }
    });
}

// Panels of one block of pixels: to[panel][term][pixel]. A run is copied in whole vectors, left to
// right, so what it writes too much is overwritten by the next run or lies in the gap (one vector)
// behind each panel.
template <class T>
void pack_pixels(const ConvPlan& plan, const T* x, int64_t group, int64_t i0, int64_t i1,
                 const Run* runs, const int* starts, int64_t panels, bool in_place, T* lines,
                 T* to) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, taps = g.R * g.S;
    for (int64_t c = 0; c < c_group; ++c) {
        const T* source = lines;
        if (in_place) {
            source = x + (group * c_group + c) * g.H * g.W;
        } else {
            each_image(g, i0, i1, [&](int64_t n, int64_t p0, int64_t p1, int64_t first) {
                const T* plane = x + ((n * g.groups + group) * c_group + c) * g.H * g.W;
                fill_rows(plan, plane, p0, p1, lines + first * plan.row);
            });
        }
        for (int64_t panel = 0; panel < panels; ++panel) {
            for (int64_t t = 0; t < taps; ++t) {
                const int64_t r = t / g.S, s = t % g.S;
                const T* from =
                    source + (in_place ? 0
                                       : r * g.dh * plan.row + s * g.dw % g.sw * plan.phase +
                                             s * g.dw / g.sw);
                T* dst = to + (c * taps + t) * plan.panel;
                for (int i = starts[panel]; i < starts[panel + 1]; ++i) {
                    const Run run = runs[i];
                    if (in_place) {
                        copy_run_ahead(dst + run.dst, from + run.src, run.len, 4 * g.H * g.W);
                    } else {
                        for (int64_t j = 0; j < run.len; j += L) {
                            store(dst + run.dst + j, load(from + run.src + j));
                        }
                    }
                }
            }
        }
    }
}

// Job: a block of pixels of all images, one group, and a share of the output channels.
template <class T>
void gemm(const ConvPlan& plan, const T* x, const T* wp, const int64_t* offsets, const T* bias,
          bool relu, T* y, T* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    const int64_t k_group = g.K / g.groups, pq = g.P * g.Q, all = g.N * pq;
    const int64_t blocks = (all + plan.pixels - 1) / plan.pixels;
    const int64_t panel_step = plan.depth * plan.panel + L;
    const int64_t count = tile_count(k_group, plan.tile_mr);
    const bool in_place = reads_in_place(g);
    const int64_t jobs = blocks * g.groups * plan.k_splits;
    parallel_for_dynamic(jobs, plan.team, [&](int64_t job, int thread) {
        const int64_t split = job % plan.k_splits, group = job / plan.k_splits % g.groups;
        const int64_t i0 = job / plan.k_splits / g.groups * plan.pixels;
        const int64_t i1 = smaller(all, i0 + plan.pixels);
        Run runs[kMaxRuns];
        int starts[kMaxRuns];
        const int64_t panels = find_runs(plan, i0, i1, panel_step, in_place, runs, starts);
        T* packed = scratch + thread * plan.scratch;
        T* lines = packed + plan.pixels / plan.panel * panel_step;
        const int64_t tail = (i1 - i0) % plan.panel;
        if (tail) {  // never let the arithmetic meet what an earlier call left (denormals are slow)
            T* last = packed + (panels - 1) * panel_step;
            for (int64_t d = 0; d < plan.depth; ++d) {
                zero_run(last + d * plan.panel + tail, plan.panel - tail);
            }
        }
        pack_pixels(plan, x, group, i0, i1, runs, starts, panels, in_place, lines, packed);
        const int64_t t0 = tile_start(count, plan.k_splits, split);
        const int64_t t1 = tile_start(count, plan.k_splits, split + 1);
        for (int64_t panel = 0; panel < panels; ++panel) {
            const int64_t i = i0 + panel * plan.panel, n = i / pq;
            const int64_t len = smaller(plan.panel, i1 - i);
            const T* b = packed + panel * panel_step;
            const int64_t k0 = tile_start(k_group, count, t0);
            T* to = y + (n * g.K + group * k_group + k0) * pq + i % pq;
            if ((i + len - 1) / pq == n) {
                tiles(plan, group, t0, t1, wp, b, offsets, bias, relu, to, pq, int(len));
                continue;
            }
            // The panel crosses into the next image: through a buffer, run by run.
            T block[kTileMr * 2 * L];
            for (int64_t t = t0; t < t1; ++t) {
                tiles(plan, group, t, t + 1, wp, b, offsets, bias, relu, block, 2 * L, int(len));
                const int64_t first = tile_start(k_group, count, t);
                const int64_t end = tile_start(k_group, count, t + 1);
                for (int j = starts[panel]; j < starts[panel + 1]; ++j) {
                    const int64_t lane = runs[j].dst - panel * panel_step;
                    T* row = y + runs[j].out + (group * k_group + first) * pq;
                    for (int64_t k = 0; k < end - first; ++k, row += pq) {
                        copy_run(row, block + k * 2 * L + lane, runs[j].len);
                    }
                }
            }
        }
    });
}

}  // namespace

const ConvTileKernels<float> conv_tile_f32 = {pack<float>, direct<float>, gemm<float>};
const ConvTileKernels<double> conv_tile_f64 = {pack<double>, direct<double>, gemm<double>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
