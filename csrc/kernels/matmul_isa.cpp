// Matrix multiplication, hot part: register tiles, packing order, loop nest.
//   After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008; but each
//   thread packs what it uses itself: a shared packed b with a barrier ran at 0.55 to 0.93 of this.
#include "kernels/gemm_tile.h"
#include "kernels/matmul.h"
#include "kernels/pack.h"
#include "runtime/parallel.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

TG_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Where a tile goes and what happens to it on the way.
template <class T>
struct TileOut {
    T* c;
    int64_t c_m, c_n;
    const T* bias;  // of the tile's first element; null before the last block of k
    int64_t bias_m, bias_n;
    int n;           // columns that exist
    bool add, relu;  // add: c holds the sum of the blocks of k before this one
};

// The last write when c is transposed: through memory, element by element.
template <class T, int MR, int NV>
TG_INLINE void write_swapped(const Vec<T> (&acc)[MR][NV], const TileOut<T>& out) {
    T sums[MR * NV * kLanes<T>];
    __builtin_memcpy(sums, acc, sizeof acc);
    for (int j = 0; j < out.n; ++j) {
        for (int i = 0; i < MR; ++i) {
            T* at = out.c + i * out.c_m + j * out.c_n;
            T v = sums[i * NV * kLanes<T> + j];
            if (out.add) v = *at + v;
            if (out.bias) v += out.bias[i * out.bias_m + j * out.bias_n];
            *at = out.relu && v < 0 ? T(0) : v;
        }
    }
}

// c = act(c + acc + bias), each part if asked for. The last vector of a row is masked if it hangs
// over the edge of c.
template <class T, int MR, int NV>
TG_INLINE void write_rows(Vec<T> (&acc)[MR][NV], const TileOut<T>& out) {
    constexpr int L = kLanes<T>;
    const int tail = out.n - (NV - 1) * L;
    if (out.add) {
        TG_UNROLL
        for (int i = 0; i < MR; ++i) {
            const T* c = out.c + i * out.c_m;
            TG_UNROLL
            for (int j = 0; j < NV - 1; ++j) acc[i][j] = load(c + j * L) + acc[i][j];
            const T* last = c + (NV - 1) * L;
            acc[i][NV - 1] = (tail == L ? load(last) : load_n(last, tail)) + acc[i][NV - 1];
        }
    }
    if (out.bias) {
        TG_UNROLL
        for (int j = 0; j < NV; ++j) {
            const T* p = out.bias + j * L;
            const Vec<T> bias = j < NV - 1 || tail == L ? load(p) : load_n(p, tail);
            TG_UNROLL
            for (int i = 0; i < MR; ++i) acc[i][j] += bias;
        }
    }
    if (out.relu) {
        const Vec<T> zero = {};
        TG_UNROLL
        for (int i = 0; i < MR; ++i) {
            TG_UNROLL
            for (int j = 0; j < NV; ++j) acc[i][j] = acc[i][j] < zero ? zero : acc[i][j];
        }
    }
    TG_UNROLL
    for (int i = 0; i < MR; ++i) {
        T* c = out.c + i * out.c_m;
        TG_UNROLL
        for (int j = 0; j < NV - 1; ++j) store(c + j * L, acc[i][j]);
        T* last = c + (NV - 1) * L;
        if (tail == L) {
            store(last, acc[i][NV - 1]);
        } else {
            store_n(last, acc[i][NV - 1], tail);
        }
    }
}

template <class T>
using TileFn = void (*)(int64_t kc, const T* a, int64_t lda_k, int64_t lda_i, const T* b,
                        int64_t ldb, const TileOut<T>& out);

// kPacked: a is a packed strip, kc x MR (constant strides: addresses cost no registers).
template <class T, int MR, int NV, bool kPacked>
void tile(int64_t kc, const T* a, int64_t lda_k, int64_t lda_i, const T* b, int64_t ldb,
          const TileOut<T>& out) {
    Vec<T> acc[MR][NV] = {};
    if constexpr (kPacked) {
        gemm_tile<T, MR, NV>(kc, a, MR, 1, b, ldb, acc);
    } else {
        gemm_tile<T, MR, NV>(kc, a, lda_k, lda_i, b, ldb, acc);
    }
    if (out.c_n == 1 && out.bias_n == 1) {
        write_rows<T, MR, NV>(acc, out);
    } else {
        write_swapped<T, MR, NV>(acc, out);
    }
}

template <class T, int NV, bool kPacked, int... I>
TG_INLINE TileFn<T> pick_tile(int64_t rows, Lanes<I...>) {
    static constexpr TileFn<T> of[] = {tile<T, I + 1, NV, kPacked>...};
    return of[rows - 1];
}
// Few rows leave registers for wider tiles, without which too few sums run side by side.
constexpr int kWideRows = 3;
TG_INLINE int wide_vectors(int64_t rows) { return rows == 1 ? 8 : 4; }
template <class T>
TG_INLINE TileFn<T> pick_wide_tile(int64_t rows) {
    static constexpr TileFn<T> of[] = {tile<T, 1, 8, false>, tile<T, 2, 4, false>,
                                       tile<T, 3, 4, false>};
    return of[rows - 1];
}
template <class T>
TG_INLINE TileFn<T> pick_tile(int64_t rows, int nv, bool packed) {
    typedef typename MakeLanes<kTileMr>::type Rows;
    if (nv == 1) {
        return packed ? pick_tile<T, 1, true>(rows, Rows()) : pick_tile<T, 1, false>(rows, Rows());
    }
    return packed ? pick_tile<T, 2, true>(rows, Rows()) : pick_tile<T, 2, false>(rows, Rows());
}

struct Range {
    int64_t begin, end;
};

// Part `i` of `parts` nearly equal parts.
TG_INLINE Range part(Range all, int64_t parts, int64_t i) {
    const int64_t size = all.end - all.begin;
    return {all.begin + size * i / parts, all.begin + size * (i + 1) / parts};
}
TG_INLINE int64_t parts_of(Range all, int64_t most) {
    return (all.end - all.begin + most - 1) / most;
}

// Rows in strips of nearly equal height, the taller ones first: no division for each tile.
struct Strips {
    explicit Strips(Range rows) {
        const int64_t size = rows.end - rows.begin, count = parts_of(rows, kTileMr);
        low = count ? size / count : 0;
        tall_end = rows.begin + (size - count * low) * (low + 1);
        first = after({rows.begin, rows.begin});
    }
    Range after(Range s) const { return {s.end, s.end + low + (s.end < tall_end ? 1 : 0)}; }

    Range first;
    int64_t low, tall_end;  // height of the others, end of the taller
};

// One rectangle of one item of the batch.
template <class T>
class Nest {
public:
    Nest(const MatmulArgs<T>& g, const MatmulPlan& plan, int64_t item, T* scratch)
        : g_(g),
          plan_(plan),
          a_(g.a + g.a_at[item]),
          b_(g.b + g.b_at[item]),
          c_(g.c + item * g.M * g.N),
          bp_(scratch),
          ap_(scratch + plan.kc * (plan.form == MatmulForm::direct ? kNr : plan.nc) + kSlack) {}

    void run(Range rows, Range cols) {
        for (int64_t j = cols.begin; j < cols.end; j += plan_.nc) {
            const Range block = {j, least(j + plan_.nc, cols.end)};
            int64_t k = 0;
            do {
                k_ = {k, least(k + plan_.kc, g_.K)};
                columns(rows, block);
                k += plan_.kc;
            } while (k < g_.K);
        }
    }

private:
    static constexpr int L = kLanes<T>;
    static constexpr int kNr = kTileNv * L;
    static constexpr int kBandRows = 8;
    static constexpr int kSlack = L;  // pack may write that much behind its target

    int64_t depth() const { return k_.end - k_.begin; }
    const T* b_at(int64_t j) const { return b_ + k_.begin * g_.b_k + j * g_.b_n; }
    const T* a_at(int64_t i) const { return a_ + k_.begin * g_.a_k + i * g_.a_m; }

    void columns(Range rows, Range cols) {
        if (plan_.form != MatmulForm::direct) {
            // Dense rows of b are read a few at a time, each to its end: memory sees few streams.
            // 64 x 3136 x 256 took 1.32 ms, panel by panel 1.82; 4, 16 and 32 rows were no better.
            const int64_t band = g_.b_n == 1 ? kBandRows : depth();
            for (int64_t k = 0; k < depth(); k += band) {
                for (int64_t j = cols.begin; j < cols.end; j += kNr) {
                    pack_panel(j, cols, {k, least(k + band, depth())},
                               bp_ + (j - cols.begin) * depth());
                }
            }
        }
        const int64_t blocks = parts_of(rows, plan_.mc);
        for (int64_t i = 0; i < blocks; ++i) rectangle(part(rows, blocks, i), cols);
    }

    // Rows `ks` of a panel that begins at `to`.
    void pack_panel(int64_t j, Range cols, Range ks, T* to) {
        const int64_t n = least(kNr, cols.end - j), width = n > L ? kNr : L;
        pack(b_at(j) + ks.begin * g_.b_k, g_.b_k, g_.b_n, ks.end - ks.begin, n, width,
             to + ks.begin * width);
    }

    // Strip [begin, end) is packed at (begin - first row) * depth.
    void rectangle(Range rows, Range cols) {
        const Strips strips(rows);
        if (plan_.form == MatmulForm::pack_ab) {
            for (Range strip = strips.first; strip.begin < rows.end; strip = strips.after(strip)) {
                const int64_t height = strip.end - strip.begin;
                pack(a_at(strip.begin), g_.a_k, g_.a_m, depth(), height, height,
                     ap_ + (strip.begin - rows.begin) * depth());
            }
        }
        for (int64_t j = cols.begin; j < cols.end;) {
            const Panel panel = plan_.form == MatmulForm::direct ? panel_in_place(rows, cols, j)
                                                                 : packed_panel(cols, j);
            for (Range strip = strips.first; strip.begin < rows.end; strip = strips.after(strip)) {
                one_tile(strip, rows.begin, j, panel);
            }
            j += panel.n;
        }
    }

    struct Panel {  // n columns of b in vectors vectors
        const T* b;
        int64_t ldb;
        int n, vectors;
    };

    Panel packed_panel(Range cols, int64_t j) const {
        const int n = int(least(kNr, cols.end - j));
        const int vectors = n > L ? kTileNv : 1;
        return {bp_ + (j - cols.begin) * depth(), vectors * L, n, vectors};
    }

    Panel panel_in_place(Range rows, Range cols, int64_t j) {
        const int64_t left = cols.end - j, height = rows.end - rows.begin;
        if (height <= kWideRows && left >= wide_vectors(height) * L) {
            return {b_at(j), g_.b_k, wide_vectors(height) * L, wide_vectors(height)};
        }
        if (left >= kNr) return {b_at(j), g_.b_k, kNr, kTileNv};
        if (left == L) return {b_at(j), g_.b_k, L, 1};
        pack_panel(j, cols, {0, depth()}, bp_);  // in place, full vectors would read over the edge
        const int vectors = left > L ? kTileNv : 1;
        return {bp_, vectors * L, int(left), vectors};
    }

    void one_tile(Range strip, int64_t first_row, int64_t j, const Panel& panel) {
        const bool packed = plan_.form == MatmulForm::pack_ab;
        const bool last = k_.end == g_.K;
        const int64_t i = strip.begin, height = strip.end - strip.begin;
        const TileOut<T> out = {c_ + i * g_.c_m + j * g_.c_n,
                                g_.c_m,
                                g_.c_n,
                                last && g_.bias ? g_.bias + i * g_.bias_m + j * g_.bias_n : nullptr,
                                g_.bias_m,
                                g_.bias_n,
                                panel.n,
                                k_.begin > 0,
                                last && g_.relu};
        const T* a = packed ? ap_ + (i - first_row) * depth() : a_at(i);
        const TileFn<T> tile_of = panel.vectors > kTileNv
                                      ? pick_wide_tile<T>(height)
                                      : pick_tile<T>(height, panel.vectors, packed);
        tile_of(depth(), a, g_.a_k, g_.a_m, panel.b, panel.ldb, out);
    }

    const MatmulArgs<T>& g_;
    const MatmulPlan& plan_;
    const T *a_, *b_;
    T* c_;
    T *bp_, *ap_;  // packed b and a
    Range k_;
};

// Rows and columns of a dot tile: R x C accumulators, C of b and 1 of a fit the registers.
constexpr int kDotRows = kVecRegisters == 32 ? 4 : 2;
constexpr int kDotCols = 5;

// sums[i][j] = sum_k a[i * lda + k] * b[j * ldb + k]: lanes over k, halves of the lanes added last.
template <class T, int R, int C>
void dot_tile(int64_t K, const T* a, int64_t lda, const T* b, int64_t ldb, T* sums) {
    constexpr int L = kLanes<T>;
    Vec<T> acc[R][C] = {};
    int64_t k = 0;
    for (; k + L <= K; k += L) {
        Vec<T> bk[C];
        TG_UNROLL
        for (int j = 0; j < C; ++j) bk[j] = load(b + j * ldb + k);
        TG_UNROLL
        for (int i = 0; i < R; ++i) {
            const Vec<T> ai = load(a + i * lda + k);
            TG_UNROLL
            for (int j = 0; j < C; ++j) acc[i][j] = fma(ai, bk[j], acc[i][j]);
        }
    }
    if (k < K) {
        const int n = int(K - k);
        TG_UNROLL
        for (int i = 0; i < R; ++i) {
            const Vec<T> ai = load_n(a + i * lda + k, n);
            TG_UNROLL
            for (int j = 0; j < C; ++j) acc[i][j] = fma(ai, load_n(b + j * ldb + k, n), acc[i][j]);
        }
    }
    sum_lanes_each<T, R * C>(&acc[0][0], sums);
}

template <class T>
using DotFn = void (*)(int64_t K, const T* a, int64_t lda, const T* b, int64_t ldb, T* sums);

template <class T, int... I>
TG_INLINE DotFn<T> pick_dot(int rows, int cols, Lanes<I...>) {
    static constexpr DotFn<T> of[] = {dot_tile<T, I / kDotCols + 1, I % kDotCols + 1>...};
    return of[(rows - 1) * kDotCols + cols - 1];
}

template <class T>
void dot_rectangle(const MatmulArgs<T>& g, int64_t item, Range rows, Range cols, T* scratch) {
    const T *a = g.a + g.a_at[item], *b = g.b + g.b_at[item];
    T* c = g.c + item * g.M * g.N;
    const T* bt = b + cols.begin * g.b_n;  // b^T: a row for each column of b
    int64_t ldb = g.b_n;
    if (g.b_k != 1) {
        pack(bt, g.b_n, g.b_k, cols.end - cols.begin, g.K, g.K, scratch);
        bt = scratch;
        ldb = g.K;
    }
    for (int64_t i = rows.begin; i < rows.end; i += kDotRows) {
        const int r = int(least(kDotRows, rows.end - i));
        for (int64_t j = cols.begin; j < cols.end; j += kDotCols) {
            const int n = int(least(kDotCols, cols.end - j));
            T sums[kDotRows * kDotCols];
            const auto dot = pick_dot<T>(r, n, typename MakeLanes<kDotRows * kDotCols>::type());
            dot(g.K, a + i * g.a_m, g.a_m, bt + (j - cols.begin) * ldb, ldb, sums);
            for (int ii = 0; ii < r; ++ii) {
                for (int jj = 0; jj < n; ++jj) {
                    const int64_t row = i + ii, col = j + jj;
                    T v = sums[ii * n + jj];
                    if (g.bias) v += g.bias[row * g.bias_m + col * g.bias_n];
                    c[row * g.c_m + col * g.c_n] = g.relu && v < 0 ? T(0) : v;
                }
            }
        }
    }
}

template <class T>
void matmul_nest(const MatmulArgs<T>& g, const MatmulPlan& plan, T* scratch) noexcept {
    constexpr int L = kLanes<T>;
    const int jobs = plan.jobs_batch * plan.jobs_m * plan.jobs_n;
    parallel_for(jobs, jobs, [&](int64_t job) {
        const Range items = part({0, g.batch}, plan.jobs_batch, job % plan.jobs_batch);
        const int64_t cell = job / plan.jobs_batch;
        const Range rows = part({0, g.M}, plan.jobs_m, cell % plan.jobs_m);
        const Range vectors = part({0, (g.N + L - 1) / L}, plan.jobs_n, cell / plan.jobs_m);
        const Range cols = {vectors.begin * L, least(vectors.end * L, g.N)};
        T* own = scratch + job * plan.scratch_elements;
        for (int64_t item = items.begin; item < items.end; ++item) {
            if (plan.form == MatmulForm::dot) {
                dot_rectangle(g, item, rows, cols, own);
            } else {
                Nest<T>(g, plan, item, own).run(rows, cols);
            }
        }
    });
}

}  // namespace

extern const MatmulKernels matmul_kernels = {matmul_nest<float>, matmul_nest<double>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
