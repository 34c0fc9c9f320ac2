// The nearest rows by sums of bytes, which cost a third to a fifth of sums of floats.
//   uint8: the sums are the distances. Floats: rows are rounded to bytes, v ~ low + step q, and how
//   far each row moved by that is known, so the triangle inequality bounds every distance:
//     |x - y| >= step |qx - qy| - moved_x - moved_y      (in the metric's own norm)
//   Pairs whose bound lies beyond what was found already are done; the others, some 1 % at k = 5, are
//   summed as they are. The result is that of the plain search, to the bit. Where rounding tells
//   too few pairs apart (outliers that stretch the range), the rest is searched plainly.
#include "kernels/nearest_found.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

template <bool Condition, class Yes, class No>
struct Choose {
    typedef Yes type;
};
template <class Yes, class No>
struct Choose<false, Yes, No> {
    typedef No type;
};

constexpr double kMostSum = 4e18;  // below what int64 holds
// Rounding is given up where it leaves more than one pair in so many, after a start of so many
// candidates for each that is kept.
constexpr int64_t kFewOf = 8, kFirst = 16;

template <class T>
constexpr bool kExact = __is_same(T, uint8_t);
template <class T>
constexpr double kEpsilon = sizeof(T) == 4 ? 1.1920928955078125e-7 : 2.220446049250313e-16;

// Prepared rows, and what each adds to its sums.
struct Rows {
    uint8_t* bytes;
    int64_t* term;
    double* moved;  // how far rounding moved the row; for cosine 1 / |row|
};

TG_INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Rounds a row to bytes; returns how far it moved, in the norm of the metric, rounded up.
template <class T>
double round_row(const T* from, int64_t D, double low64, double step64, bool squares, uint8_t* to) {
    constexpr int L = kLanes<T>, kChunk = 16 * L;
    const T low = T(low64), step = T(step64), inverse = T(1 / step64);
    Vec<T> sum = {};
    for (int64_t k0 = 0; k0 < D; k0 += kChunk) {
        const int n = int(least(kChunk, D - k0));
        T moved[kChunk] = {};
        for (int k = 0; k < n; ++k) {
            T q = (from[k0 + k] - low) * inverse;
            q = q > 0 ? q : 0;  // NaN becomes 0
            q = q < 255 ? q : 255;
            const int32_t whole = int32_t(q + T(0.5));
            to[k0 + k] = uint8_t(whole);
            moved[k] = from[k0 + k] - (low + T(whole) * step);
        }
        for (int k = 0; k < kChunk; k += L) {
            const Vec<T> m = load(moved + k);
            sum = squares ? fma(m, m, sum) : sum + absolute(m);
        }
    }
    const double eps = kEpsilon<T>, largest = __builtin_fabs(low64) + 256 * step64;
    const double total = double(sum_lanes<T>(sum)) * (1 + 4 * double(D + 8) * eps);
    const double distance =
        squares ? __builtin_sqrt(total) + __builtin_sqrt(double(D)) * 8 * eps * largest
                : total + double(D) * 8 * eps * largest;
    return distance == distance ? distance : __builtin_inf();
}

// The search of one metric over rows of T. L1: sums of absolute differences; else of products.
template <class T, bool L1>
class ByteSearch {
public:
    ByteSearch(const NearestArgs<T>& g, const NearestPlan& p, char* scratch)
        : g_(g), p_(p), scratch_(scratch), team_(p.jobs_n * p.jobs_m) {
        stride_ = L1 ? round_up(g.D, kVecBytes)
                     : round_up(g.D, kLanes<ByteProducts::X>) * int64_t(sizeof(ByteProducts::X));
        char* at = scratch + found_bytes(g, p);
        const auto take = [&](int64_t bytes) {
            char* const room = at;
            at += round_up(bytes, 64);
            return room;
        };
        limit_ = (int64_t*)take(p.jobs_m * g.N * 8);
        if (in_place()) return;
        x_.bytes = (uint8_t*)take(g.N * stride_);
        y_.bytes = (uint8_t*)take(p.slab * stride_);
        rounded_ = (uint8_t*)take(team_ * round_up(g.D, 64));
        x_.term = (int64_t*)take(g.N * 8);
        y_.term = (int64_t*)take(p.slab * 8);
        x_.moved = (double*)take(g.N * 8);
        y_.moved = (double*)take(p.slab * 8);
    }

    void run() {
        start(g_, p_, scratch_);
        prepare<true>(g_.x, g_.N, x_);
        for (int64_t m0 = 0; m0 < g_.M; m0 += p_.slab) {
            slab_ = m0;
            const int64_t m1 = least(m0 + p_.slab, g_.M);
            prepare<false>(g_.y + m0 * g_.D, m1 - m0, y_);
            for_each_part(g_, p_, m0, m1, scratch_,
                          [&](const Rectangle& r, const Found& found, int64_t part) {
                              search(r, found, limit_ + part * g_.N);
                          });
        }
        finish(g_, p_, scratch_);
    }

private:
    using Term = typename Choose<L1, AbsoluteTerm, SquareTerm>::type;

    // Bytes that are compared by differences need no preparation.
    static constexpr bool in_place() { return kExact<T> && L1; }
    bool squares() const { return g_.metric == NearestMetric::sqeuclidean; }

    template <bool IsX>
    void prepare(const T* from, int64_t rows, const Rows& to) const {
        if constexpr (in_place()) return;
        parallel_for(team_, team_, [&](int64_t job) {
            uint8_t* const rounded = rounded_ + job * round_up(g_.D, 64);
            for (int64_t i = rows * job / team_; i < rows * (job + 1) / team_; ++i) {
                prepare_row<IsX>(from + i * g_.D, i, to, rounded);
            }
        });
    }

    template <bool IsX>
    void prepare_row(const T* from, int64_t i, const Rows& to, uint8_t* rounded) const {
        uint8_t* const row = to.bytes + i * stride_;
        if constexpr (in_place()) {
            return;
        } else if constexpr (L1) {
            to.moved[i] = round_row(from, g_.D, p_.low, p_.step, false, row);
            for (int64_t k = g_.D; k < stride_; ++k) row[k] = 0;
        } else {
            const uint8_t* bytes = rounded;
            if constexpr (kExact<T>) {
                bytes = from;
            } else {
                to.moved[i] = round_row(from, g_.D, p_.low, p_.step, true, rounded);
            }
            using To = typename Choose<IsX, ByteProducts::X, ByteProducts::Y>::type;
            copy_row(bytes, g_.D, stride_ / int64_t(sizeof(To)), IsX ? ByteProducts::kOffset : 0,
                     (To*)row);
            // |x - y|^2 = |x|^2 + |y|^2 - 2 x . y;  x . y = (x - offset) . y + offset sum(y)
            const RowSums sums = row_sums(bytes, g_.D);
            to.term[i] = (squares() ? sums.squares : 0) -
                         (IsX ? 0 : factor() * ByteProducts::kOffset * sums.plain);
            if (g_.metric == NearestMetric::cosine) {
                to.moved[i] = sums.squares ? 1 / __builtin_sqrt(double(sums.squares)) : 0;
            }
        }
    }

    int64_t factor() const { return squares() ? 2 : 1; }

    void search(const Rectangle& r, const Found& found, int64_t* limit) const {
        int64_t summed = 0;
        for (int64_t j0 = r.m0; j0 < r.m1; j0 += p_.block) {
            const int64_t j1 = least(j0 + p_.block, r.m1);
            double moved = 0;
            if constexpr (!kExact<T>) {
                for (int64_t j = j0 - slab_; j < j1 - slab_; ++j) {
                    moved = y_.moved[j] > moved ? y_.moved[j] : moved;
                }
            }
            for (int64_t i = r.n0; i < r.n1; ++i) limit[i] = limit_of(found, i, moved);
            for (int64_t i = r.n0; i < r.n1; i += R) {
                summed += strip(i, int(least(R, r.n1 - i)), j0, j1, moved, found, limit);
            }
            if constexpr (!kExact<T>) {
                const int64_t rows = r.n1 - r.n0;
                if (summed > rows * ((j1 - r.m0) / kFewOf + kFirst * found.kept)) {
                    plain({r.n0, r.n1, j1, r.m1}, found);
                    return;
                }
            }
        }
    }

    // The largest sum of bytes, without x's term, of a pair that may be as near as those found.
    int64_t limit_of(const Found& found, int64_t i, double moved_y) const {
        const double worst = found.worst(i);
        if constexpr (kExact<T>) {
            if (g_.metric == NearestMetric::cosine || worst > kMostSum) return INT64_MAX;
            return int64_t(worst) - (L1 ? 0 : x_.term[i]);
        } else {
            // A sum of floats may be too small by this much.
            const double slack = 1 + 4 * double(g_.D + 4) * kEpsilon<T>;
            const double norm = L1 ? worst * slack : __builtin_sqrt(worst * slack);
            const double steps = (norm + x_.moved[i] + moved_y) * (1 + 1e-9) / p_.step;
            const double sum = L1 ? steps : steps * steps;
            return sum < kMostSum ? int64_t(sum) + 1 - (L1 ? 0 : x_.term[i]) : INT64_MAX;
        }
    }

    // A strip of x beside a block of y; returns how many pairs were within the limit.
    int64_t strip(int64_t i0, int rows, int64_t j0, int64_t j1, double moved, const Found& found,
                  int64_t* limit) const {
        int64_t within = 0;
        for (int64_t j = j0; j < j1; j += C) {
            const int cols = int(least(C, j1 - j));
            int64_t sums[R * C];
            tile(i0, rows, j, cols, sums);
            for (int i = 0; i < rows; ++i) {
                for (int jj = 0; jj < cols; ++jj) {
                    const int64_t sum = sums[i * cols + jj];
                    if (sum > limit[i0 + i]) continue;
                    found.offer(i0 + i, j + jj, distance(i0 + i, j + jj, sum));
                    limit[i0 + i] = limit_of(found, i0 + i, moved);
                    ++within;
                }
            }
        }
        return within;
    }

    // Sums of bytes, without x's term.
    void tile(int64_t i, int rows, int64_t j, int cols, int64_t* sums) const {
        if constexpr (in_place()) {
            pick_byte_l1(rows, cols, AllTiles())(g_.D, g_.x + i * g_.D, g_.y + j * g_.D, sums);
        } else if constexpr (L1) {
            pick_byte_l1(rows, cols, AllTiles())(stride_, x_.bytes + i * stride_,
                                                 y_.bytes + (j - slab_) * stride_, sums);
        } else {
            pick_byte_dot(rows, cols, AllTiles())(
                stride_ / int64_t(sizeof(ByteProducts::X)),
                (const ByteProducts::X*)(x_.bytes + i * stride_),
                (const ByteProducts::Y*)(y_.bytes + (j - slab_) * stride_), sums);
            const int64_t* const term = y_.term + (j - slab_);
            for (int ii = 0; ii < rows; ++ii) {
                for (int jj = 0; jj < cols; ++jj) {
                    int64_t& sum = sums[ii * cols + jj];
                    sum = term[jj] - factor() * sum;
                }
            }
        }
    }

    double distance(int64_t i, int64_t j, int64_t sum) const {
        if constexpr (!kExact<T>) {
            T d;
            float_tile<Term, T, 1, 1>(g_.D, g_.x + i * g_.D, g_.y + j * g_.D, &d);
            return double(d);
        } else if (g_.metric == NearestMetric::cosine) {
            const double d = 1 + double(sum) * x_.moved[i] * y_.moved[j - slab_];
            return d < 0 ? 0 : d;
        } else {
            return double(sum + (L1 ? 0 : x_.term[i]));
        }
    }

    // The search without rounding.
    void plain(const Rectangle& r, const Found& found) const {
        for_each_strip(r, p_.block, [&](int64_t i0, int rows, int64_t j0, int64_t j1) {
            for (int64_t j = j0; j < j1; j += C) {
                const int cols = int(least(C, j1 - j));
                T sums[R * C];
                pick_float<Term, T>(rows, cols, AllTiles())(g_.D, g_.x + i0 * g_.D, g_.y + j * g_.D,
                                                            sums);
                offer_tile(sums, i0, rows, j, cols, found);
            }
        });
    }

    const NearestArgs<T>& g_;
    const NearestPlan& p_;
    char* scratch_;
    int team_;
    int64_t stride_;    // bytes from one prepared row to the next
    int64_t slab_ = 0;  // the first row of y that is prepared
    int64_t* limit_;    // (jobs_m, N)
    Rows x_ = {}, y_ = {};
    uint8_t* rounded_ = nullptr;
};

template <class T>
void search_bytes(const NearestArgs<T>& g, const NearestPlan& p, char* scratch) {
    if (g.metric == NearestMetric::l1) {
        ByteSearch<T, true>(g, p, scratch).run();
    } else {
        ByteSearch<T, false>(g, p, scratch).run();
    }
}

}  // namespace

extern const NearestKernels nearest_byte_kernels = {search_bytes<float>, search_bytes<double>,
                                                    search_bytes<uint8_t>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
