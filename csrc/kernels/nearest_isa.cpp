// The nearest rows, over the rows as they are: register tiles of sums, or pair by pair.
#include "kernels/nearest_found.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// What sums mean as distances.
struct AsIs {
    static constexpr bool kScaled = false;
    template <class T>
    TG_INLINE void apply(T*, int, int, const double*, const double*) {}
};
struct Negated {
    static constexpr bool kScaled = false;
    template <class T>
    TG_INLINE void apply(T* sums, int rows, int cols, const double*, const double*) {
        for (int i = 0; i < rows * cols; ++i) sums[i] = -sums[i];
    }
};
struct OneMinusCosine {
    static constexpr bool kScaled = true;
    template <class T>
    TG_INLINE void apply(T* sums, int rows, int cols, const double* x_scale,
                         const double* y_scale) {
        for (int i = 0; i < rows; ++i) {
            for (int j = 0; j < cols; ++j) {
                T& sum = sums[i * cols + j];
                const double d = 1 - double(sum) * x_scale[i] * y_scale[j];
                sum = T(d < 0 ? 0 : d > 2 ? 2 : d);
            }
        }
    }
};

// scale[i] = 1 / |x_i|, 0 for a row of zeros.
template <class T>
void inverse_norms(const T* x, int64_t rows, int64_t D, int team, double* scale) {
    parallel_for(team, team, [&](int64_t job) {
        for (int64_t i = rows * job / team; i < rows * (job + 1) / team; ++i) {
            T squares;
            float_tile<ProductTerm, T, 1, 1>(D, x + i * D, x + i * D, &squares);
            scale[i] = squares == 0 ? 0 : 1 / __builtin_sqrt(double(squares));
        }
    });
}

template <class Term, class Meaning, class T>
void search_tiles(const NearestArgs<T>& g, const NearestPlan& p, char* scratch) {
    double* const x_scale = (double*)(scratch + found_bytes(g, p));
    double* const y_scale = x_scale + g.N;
    if (Meaning::kScaled) {
        inverse_norms(g.x, g.N, g.D, p.jobs_n * p.jobs_m, x_scale);
        inverse_norms(g.y, g.M, g.D, p.jobs_n * p.jobs_m, y_scale);
    }
    for_each_part(g, p, 0, g.M, scratch, [&](const Rectangle& r, const Found& found, int64_t) {
        for_each_strip(r, p.block, [&](int64_t i0, int rows, int64_t j0, int64_t j1) {
            for (int64_t j = j0; j < j1; j += C) {
                const int cols = int(least(C, j1 - j));
                T sums[R * C];
                pick_float<Term, T>(rows, cols, AllTiles())(g.D, g.x + i0 * g.D, g.y + j * g.D,
                                                            sums);
                Meaning::apply(sums, rows, cols, x_scale + i0, y_scale + j);
                offer_tile(sums, i0, rows, j, cols, found);
            }
        });
    });
}

// The largest |x_j - y_j|; NaN if one of them is.
template <class T>
double largest_difference(const T* x, const T* y, int64_t D, double) {
    constexpr int L = kLanes<T>;
    Vec<T> most = {}, sum = {};  // a NaN is lost in most, but not in the sum
    for (int64_t k = 0; k < D; k += L) {
        const int n = int(least(L, D - k));
        const Vec<T> d =
            absolute(n == L ? load(x + k) - load(y + k) : load_n(x + k, n) - load_n(y + k, n));
        most = d > most ? d : most;
        sum += d;
    }
    double largest = 0;
    for (int i = 0; i < L; ++i) {
        if (sum[i] != sum[i]) return double(sum[i]);
        if (double(most[i]) > largest) largest = double(most[i]);
    }
    return largest;
}
double largest_difference(const uint8_t* x, const uint8_t* y, int64_t D, double) {
    Vec<uint8_t> most = {};
    for (int64_t k = 0; k < D; k += kVecBytes) {
        const Vec<uint8_t> a = load_bytes(x + k, D - k), b = load_bytes(y + k, D - k);
        const Vec<uint8_t> d = a > b ? a - b : b - a;
        most = d > most ? d : most;
    }
    int largest = 0;
    for (int i = 0; i < kVecBytes; ++i) largest = most[i] > largest ? most[i] : largest;
    return largest;
}

// How many of the pair's elements differ, as a share. NaN differs from everything.
template <class T>
double share_that_differs(const T* x, const T* y, int64_t D, double) {
    int64_t count = 0;
    for (int64_t k = 0; k < D; ++k) count += x[k] != y[k];
    return D ? double(count) / double(D) : 0;
}

template <class T>
using PairFn = double (*)(const T* x, const T* y, int64_t D, double p);

template <class T>
PairFn<T> pair_function(const NearestArgs<T>& g) {
    if (g.metric == NearestMetric::chebyshev) return largest_difference;
    if (g.metric == NearestMetric::hamming) return share_that_differs;
    return g.sum_of_powers;
}

template <class T>
void search_single(const NearestArgs<T>& g, const NearestPlan& p, char* scratch) {
    const PairFn<T> distance = pair_function(g);
    for_each_part(g, p, 0, g.M, scratch, [&](const Rectangle& r, const Found& found, int64_t) {
        for_each_strip(r, p.block, [&](int64_t i0, int rows, int64_t j0, int64_t j1) {
            for (int64_t j = j0; j < j1; ++j) {
                for (int64_t i = i0; i < i0 + rows; ++i) {
                    const double d = distance(g.x + i * g.D, g.y + j * g.D, g.D, g.p);
                    if (!(d > found.worst(i))) found.offer(i, j, d);
                }
            }
        });
    });
}

template <class T>
void search_float(const NearestArgs<T>& g, const NearestPlan& p, char* scratch) {
    start(g, p, scratch);
    if (p.form == NearestForm::single) {
        search_single(g, p, scratch);
    } else if (g.metric == NearestMetric::l1) {
        search_tiles<AbsoluteTerm, AsIs>(g, p, scratch);
    } else if (g.metric == NearestMetric::sqeuclidean) {
        search_tiles<SquareTerm, AsIs>(g, p, scratch);
    } else if (g.metric == NearestMetric::dot) {
        search_tiles<ProductTerm, Negated>(g, p, scratch);
    } else {
        search_tiles<ProductTerm, OneMinusCosine>(g, p, scratch);
    }
    finish(g, p, scratch);
}

void search_single_bytes(const NearestArgs<uint8_t>& g, const NearestPlan& p, char* scratch) {
    start(g, p, scratch);
    search_single(g, p, scratch);
    finish(g, p, scratch);
}

}  // namespace

extern const NearestKernels nearest_kernels = {search_float<float>, search_float<double>,
                                               search_single_bytes};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
