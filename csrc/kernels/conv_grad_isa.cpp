// The two gradients of convolution for every shape, as products of packed rows.
//   scatter: gcol = W^T gy for a panel of pixels in registers, added at once to padded planes in
//     cache (no im2col buffer, no work on zero padding).
//   dot: gw = gy . col^T with pixels in the lanes: both operands are rows as they lie in memory.
#include "kernels/conv_lines.h"
#include "kernels/gemm_tile.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// to[i][j] = sum_k a[k * MR + i] * b[k * 2L + j]
template <class T, int MR>
void product(int64_t depth, const T* a, const T* b, T* to) noexcept {
    constexpr int L = kLanes<T>;
    Vec<T> acc[MR][2] = {};
    gemm_tile<T, MR, 2>(depth, a, MR, 1, b, 2 * L, acc);
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        store(to + i * 2 * L, acc[i][0]);
        store(to + i * 2 * L + L, acc[i][1]);
    }
}

template <class T>
void product_of(int64_t mr, int64_t depth, const T* a, const T* b, T* to) noexcept {
    switch (mr) {
#define TG_CASE(MR)                                 \
    case MR:                                        \
        if constexpr (MR <= kTileMr) {              \
            return product<T, MR>(depth, a, b, to); \
        }                                           \
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

template <class T>
TG_INLINE void add_run(T* dst, const T* src, int64_t n) {
    constexpr int L = kLanes<T>;
    int64_t j = 0;
    for (; j + L <= n; j += L) store(dst + j, load(dst + j) + load(src + j));
    if (j < n) {
        const int left = int(n - j);
        store_n(dst + j, load_n(dst + j, left) + load_n(src + j, left), left);
    }
}

// Pairs of columns (even[j], odd[j]) of a row under stride 2 while whole vectors can be read and
// written; returns the number of columns written.
template <class T>
TG_INLINE int64_t zip_row(const ConvPlan& plan, const T* even, int64_t phases, int64_t known,
                          T* gx) {
    constexpr int L = kLanes<T>;
    int64_t j = 0;
    for (; j + L <= known && 2 * (j + L) < plan.run.W; j += L) {
        const Vec<T> a = load(even + j);
        const Vec<T> b = phases > 1 ? load(even + plan.phase + j) : Vec<T>{};
        store(gx + 2 * j, zip_low(a, b));
        store(gx + 2 * j + L, zip_high(a, b));
    }
    return 2 * j;
}

// One channel of gx from its padded plane: phases joined, padding dropped, rows and columns that
// no output pixel reads 0.
template <class T>
void join_plane(const ConvPlan& plan, const T* plane, T* gx) noexcept {
    const Conv2dShape& g = plan.run;
    const int64_t phases = plan.row / plan.phase;
    for (int64_t h = 0; h < g.H; ++h, gx += g.W) {
        if (h + g.ph >= plan.in_rows) {
            zero_run(gx, g.W);
            continue;
        }
        const T* row = plane + (h + g.ph) * plan.row;
        if (g.sw == 1) {
            const int64_t known = larger(0, smaller(g.W, plan.phase - g.pw));
            copy_run(gx, row + g.pw, known);
            zero_run(gx + known, g.W - known);
            continue;
        }
        // Column w + pw of the padded row is value j of phase f.
        int64_t f = g.pw % g.sw, j = g.pw / g.sw, w = 0;
        if (g.sw == 2) {
            if (f == 1) {  // one column by itself, then pairs
                gx[w++] = phases > 1 && j < plan.phase ? row[plan.phase + j] : T(0);
                f = 0, ++j;
            }
            const int64_t pairs = zip_row(plan, row + j, phases, plan.phase - j, gx + w);
            w += pairs;
            j += pairs / 2;
        }
        for (; w < g.W; ++w) {
            gx[w] = f < phases && j < plan.phase ? row[f * plan.phase + j] : T(0);
            if (++f == g.sw) f = 0, ++j;
        }
    }
}

// Job: some input channels of one image and group. wp holds the packed transposed weights of each
// share of channels: rows are (c, r, s), the sum runs over output channels.
template <class T>
void scatter(const ConvPlan& plan, const T* gy, const T* wp, const int64_t* offsets, T* gx,
             T* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, pq = g.P * g.Q;
    const int64_t shares = (c_group + plan.channels - 1) / plan.channels, taps = g.R * g.S;
    const int64_t plane_size = plan.in_rows * plan.row;
    parallel_for_dynamic(g.N * g.groups * shares, plan.team, [&](int64_t job, int thread) {
        const int64_t share = job % shares, image = job / shares, group = image % g.groups;
        const int64_t n = image / g.groups;
        const int64_t c0 = share * plan.channels, c1 = smaller(c_group, c0 + plan.channels);
        const int64_t terms = (c1 - c0) * taps, count = tile_count(terms, plan.tile_mr);
        T* planes = scratch + thread * plan.scratch;
        T* panel = planes + plan.channels * plane_size;  // (k, 2L)
        T* products = panel + k_group * 2 * L;           // (tile_mr, 2L)
        zero_run(planes, (c1 - c0) * plane_size);
        const T* a0 = wp + (group * c_group + c0) * taps * k_group;
        const T* rows = gy + (n * g.K + group * k_group) * pq;
        for (int64_t i = 0; i < pq; i += plan.panel) {
            Run runs[2 * L];
            int starts[2];
            const int64_t end = smaller(pq, i + plan.panel);
            find_runs(plan, n * pq + i, n * pq + end, 0, false, runs, starts);
            const int64_t top = i / g.Q * g.sh * plan.row;
            for (int64_t k = 0; k < k_group; ++k) {
                copy_run(panel + k * 2 * L, rows + k * pq + i, end - i);
                if (end - i < 2 * L) zero_run(panel + k * 2 * L + end - i, 2 * L - (end - i));
            }
            for (int64_t t = 0; t < count; ++t) {
                const int64_t d0 = tile_start(terms, count, t),
                              d1 = tile_start(terms, count, t + 1);
                product_of(d1 - d0, k_group, a0 + d0 * k_group, panel, products);
                for (int64_t d = d0; d < d1; ++d) {
                    T* dst = planes + offsets[d] + top;
                    for (int j = starts[0]; j < starts[1]; ++j) {
                        add_run(dst + runs[j].src, products + (d - d0) * 2 * L + runs[j].dst,
                                runs[j].len);
                    }
                }
            }
        }
        T* to = gx + (image * c_group + c0) * g.H * g.W;
        for (int64_t c = 0; c < c1 - c0; ++c) {
            join_plane(plan, planes + c * plane_size, to + c * g.H * g.W);
        }
    });
}

// Tile of dot: output channels by terms; KT * DT accumulators, KT + 1 operands.
constexpr int kDotK = kVecRegisters == 32 ? 4 : 3;
constexpr int kDotD = kVecRegisters == 32 ? 6 : 3;

// Lane i of the result is the sum over the lanes of v[i]: each round folds two vectors into one, 45
// instructions for 16 sums where one sum by itself takes 15.
template <class T, int S>
TG_INLINE Vec<T> sum_each(Vec<T>* v) {
    TG_UNROLL
    for (int i = 0; i < S; ++i) {
        swap_quarters<S>(v[i], v[i + S], typename MakeLanes<kLanes<T>>::type());
        v[i] += v[i + S];
    }
    if constexpr (S > 1) {
        return sum_each<T, S / 2>(v);
    } else {
        return v[0];
    }
}

// gw[i * ld + j] (+)= sum_p a[i * step + p] * b[j * step + p]     i < KT, j < DT, p < n, L | n
template <class T, int KT, int DT>
void dot_tile(int64_t n, const T* __restrict a, const T* __restrict b, int64_t step, bool add,
              T* gw, int64_t ld) noexcept {
    constexpr int L = kLanes<T>;
    Vec<T> acc[KT][DT] = {};
    for (int64_t p = 0; p < n; p += L) {
        Vec<T> v[KT];
        TG_UNROLL
        for (int i = 0; i < KT; ++i) v[i] = load(a + i * step + p);
        TG_UNROLL
        for (int j = 0; j < DT; ++j) {
            const Vec<T> w = load(b + j * step + p);
            TG_UNROLL
            for (int i = 0; i < KT; ++i) acc[i][j] = fma(v[i], w, acc[i][j]);
        }
    }
    constexpr int kSums = (KT * DT + L - 1) / L * L;
    Vec<T> flat[kSums] = {};
    TG_UNROLL
    for (int i = 0; i < KT * DT; ++i) flat[i] = acc[i / DT][i % DT];
    T sums[kSums];
    TG_UNROLL
    for (int i = 0; i < kSums; i += L) store(sums + i, sum_each<T, L / 2>(flat + i));
    TG_UNROLL
    for (int i = 0; i < KT; ++i) {
        TG_UNROLL
        for (int j = 0; j < DT; ++j) {
            const T sum = sums[i * DT + j];
            gw[i * ld + j] = add ? gw[i * ld + j] + sum : sum;
        }
    }
}

template <class T, int KT>
void dot_tile_of(int64_t dt, int64_t n, const T* a, const T* b, int64_t step, bool add, T* gw,
                 int64_t ld) noexcept {
    switch (dt) {
#define TG_CASE(DT)                                                 \
    case DT:                                                        \
        if constexpr (DT <= kDotD) {                                \
            return dot_tile<T, KT, DT>(n, a, b, step, add, gw, ld); \
        }                                                           \
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

// All pairs of `rows` gradient rows and `terms` columns over one block of pixels.
template <class T>
void dot_block(int64_t rows, int64_t terms, int64_t n, const T* gy, const T* col, int64_t step,
               bool add, T* gw, int64_t ld) noexcept {
    const int64_t d_tiles = tile_count(terms, kDotD), k_tiles = tile_count(rows, kDotK);
    for (int64_t t = 0; t < d_tiles; ++t) {
        const int64_t d = tile_start(terms, d_tiles, t), dt = tile_start(terms, d_tiles, t + 1) - d;
        for (int64_t u = 0; u < k_tiles; ++u) {
            const int64_t k = tile_start(rows, k_tiles, u);
            const int64_t kt = tile_start(rows, k_tiles, u + 1) - k;
            const T *a = gy + k * step, *b = col + d * step;
            T* to = gw + k * ld + d;
            switch (kt) {
                case 1:
                    dot_tile_of<T, 1>(dt, n, a, b, step, add, to, ld);
                    break;
                case 2:
                    dot_tile_of<T, 2>(dt, n, a, b, step, add, to, ld);
                    break;
                case 3:
                    dot_tile_of<T, 3>(dt, n, a, b, step, add, to, ld);
                    break;
                default:
                    dot_tile_of<T, kDotK>(dt, n, a, b, step, add, to, ld);
            }
        }
    }
}

// to[channel][pixel] of `count` channels from `channel` for pixels [i0, i1) of N x channels x pq, and
// zeros up to a whole vector.
template <class T>
void copy_pixels(const Conv2dShape& g, const T* from, int64_t channels, int64_t channel,
                 int64_t count, int64_t i0, int64_t i1, int64_t step, T* to) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t pq = g.P * g.Q, whole = (i1 - i0 + L - 1) / L * L;
    each_image(g, i0, i1, [&](int64_t n, int64_t, int64_t, int64_t) {
        const int64_t a = larger(i0, n * pq), b = smaller(i1, (n + 1) * pq);
        const T* row = from + (n * channels + channel) * pq + a - n * pq;
        for (int64_t k = 0; k < count; ++k) {
            copy_run_ahead(to + k * step + a - i0, row + k * pq, b - a, pq);
        }
    });
    for (int64_t k = 0; k < count; ++k) zero_run(to + k * step + i1 - i0, whole - (i1 - i0));
}

// col[(c, r, s)][pixel] of channels [c0, c1) for pixels [i0, i1), and zeros up to a whole vector.
template <class T>
void pack_columns(const ConvPlan& plan, const T* x, int64_t group, int64_t c0, int64_t c1,
                  int64_t i0, int64_t i1, const Run* runs, int count, T* lines, T* col) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, taps = g.R * g.S, step = plan.pixels + L;
    const int64_t whole = (i1 - i0 + L - 1) / L * L;
    if (reads_in_place(g)) {
        copy_pixels(g, x, g.C, group * c_group + c0, c1 - c0, i0, i1, step, col);
        return;
    }
    for (int64_t c = c0; c < c1; ++c) {
        each_image(g, i0, i1, [&](int64_t n, int64_t p0, int64_t p1, int64_t first) {
            const T* plane = x + ((n * g.groups + group) * c_group + c) * g.H * g.W;
            fill_rows(plan, plane, p0, p1, lines + first * plan.row);
        });
        for (int64_t t = 0; t < taps; ++t, col += step) {
            const T* from = lines + t / g.S * g.dh * plan.row + t % g.S * g.dw % g.sw * plan.phase +
                            t % g.S * g.dw / g.sw;
            for (int i = 0; i < count; ++i) {
                const Run run = runs[i];
                for (int64_t j = 0; j < run.len;
                     j += L) {  // the next run overwrites what is too much
                    store(col + run.dst + j, load(from + run.src + j));
                }
            }
            zero_run(col + (i1 - i0), whole - (i1 - i0));
        }
    }
}

// Job: one chunk of blocks of pixels, one group and some input channels.
template <class T>
void dot(const ConvPlan& plan, const T* x, const T* gy, T* partial, T* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, pq = g.P * g.Q;
    const int64_t shares = (c_group + plan.channels - 1) / plan.channels, taps = g.R * g.S;
    const int64_t all = g.N * pq, blocks = (all + plan.pixels - 1) / plan.pixels;
    const int64_t step = plan.pixels + L;  // rows of scratch; not a power of two apart
    parallel_for_dynamic(plan.chunks * g.groups * shares, plan.team, [&](int64_t job, int thread) {
        const int64_t share = job % shares, group = job / shares % g.groups;
        const int64_t chunk = job / shares / g.groups;
        const int64_t c0 = share * plan.channels, c1 = smaller(c_group, c0 + plan.channels);
        T* col = scratch + thread * plan.scratch;     // (channels * taps, step)
        T* grad = col + plan.channels * taps * step;  // (k_rows, step)
        T* lines = grad + plan.rows * step;
        T* to = partial + (chunk * g.K + group * k_group) * plan.depth + c0 * taps;
        const int64_t first = blocks * chunk / plan.chunks;
        for (int64_t block = first; block < blocks * (chunk + 1) / plan.chunks; ++block) {
            const int64_t i0 = block * plan.pixels, i1 = smaller(all, i0 + plan.pixels);
            const int64_t whole = (i1 - i0 + L - 1) / L * L;
            Run runs[kMaxRuns];
            int starts[kMaxRuns];
            find_runs(plan, i0, i1, 0, false, runs, starts);
            pack_columns(plan, x, group, c0, c1, i0, i1, runs, starts[1], lines, col);
            for (int64_t k0 = 0; k0 < k_group; k0 += plan.rows) {
                const int64_t k1 = smaller(k_group, k0 + plan.rows);
                copy_pixels(g, gy, g.K, group * k_group + k0, k1 - k0, i0, i1, step, grad);
                dot_block(k1 - k0, (c1 - c0) * taps, whole, grad, col, step, block > first,
                          to + k0 * plan.depth, plan.depth);
            }
        }
    });
}

template <class T>
void sum_chunks(int64_t chunks, int64_t count, int team, const T* partial, T* gw) noexcept {
    constexpr int64_t kBlock = 4096;
    parallel_for((count + kBlock - 1) / kBlock, team, [&](int64_t job) {
        const int64_t end = smaller(count, (job + 1) * kBlock);
        for (int64_t i = job * kBlock; i < end; ++i) {
            T sum = partial[i];
            for (int64_t c = 1; c < chunks; ++c) sum += partial[c * count + i];
            gw[i] = sum;
        }
    });
}

}  // namespace

const ConvGradKernels<float> conv_grad_f32 = {scatter<float>, dot<float>, sum_chunks<float>};
const ConvGradKernels<double> conv_grad_f64 = {scatter<double>, dot<double>, sum_chunks<double>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
