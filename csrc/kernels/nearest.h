// The k rows of y nearest to each row of x, contract. Distances and the choice of the nearest are one
// pass: no (N, M) matrix exists, only k candidates for each row of x.
//   l1          sum_j |x_j - y_j|
//   sqeuclidean sum_j (x_j - y_j)^2
//   dot         -sum_j x_j y_j
//   cosine      1 - sum_j x_j y_j / (|x| |y|), between 0 and 2; 1 for a row of zeros
//   chebyshev   max_j |x_j - y_j|
//   hamming     the share of j where x_j and y_j differ; 0 for D = 0
//   minkowski   sum_j |x_j - y_j|^p, without the root
// x (N, D), y (M, D) dense. d and index (N, k), 1 <= k <= M, nearest first; of equally far rows the
// one with the lower index comes first, also where it decides which is in. NaN counts as infinity.
//   uint8: exact, for sums up to 2^53. float, double: l1, sqeuclidean and dot are, to the bit, the
//   sums of pairwise_distance's tiles; cosine is rounded to the type before rows are compared.
// Results depend neither on the thread count nor on the plan.
#pragma once

#include <stdint.h>

#include "runtime/threads.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

enum class NearestMetric : int { l1, sqeuclidean, dot, cosine, chebyshev, hamming, minkowski };

template <class T>
struct NearestArgs {
    int64_t N, M, D, k;
    NearestMetric metric;
    double p;  // of minkowski
    const T *x, *y;
    double* d;
    int64_t* index;
    // Minkowski's sum of one pair, set by nearest(): pow is not for hot sources.
    double (*sum_of_powers)(const T* x, const T* y, int64_t D, double p);
};

enum class NearestForm : int {
    bytes,   // sums of bytes: of the rows themselves, or of rows rounded to 256 steps, which tell
             // most pairs apart; the others are then summed as they are
    tiles,   // register tiles over the rows as they are
    single,  // pair by pair
};

struct NearestPlan {
    NearestForm form;
    bool rounded;  // bytes: rows are rounded, v becomes (v - low) / step
    double low, step;
    int jobs_n, jobs_m;     // each job takes a part of x's rows and a part of y's
    int64_t block;          // rows of y that stay in L2 while x passes by
    int64_t slab;           // bytes: rows of y that are prepared together
    int64_t scratch_bytes;  // in all
    bool long_enough;       // to let other Python threads run meanwhile
    const char* why;
};

// `low` and `step` of the plan come from a sample of y.
template <class T>
NearestPlan plan_nearest(const NearestArgs<T>& g, const Machine& machine);
// The same with the form prescribed, for tests. Throws std::invalid_argument if the metric or the
// type forbids it.
template <class T>
NearestPlan plan_nearest(const NearestArgs<T>& g, const Machine& machine, NearestForm form);

template <class T>
void nearest(const NearestArgs<T>& g, const NearestPlan& plan);

const char* nearest_form_name(NearestForm form) noexcept;

template <class T>
using NearestFn = void (*)(const NearestArgs<T>& g, const NearestPlan& plan, char* scratch);

struct NearestKernels {
    NearestFn<float> f32;
    NearestFn<double> f64;
    NearestFn<uint8_t> u8;
};
TG_DECLARE_TABLE(NearestKernels, nearest_kernels)            // tiles and single
TG_DECLARE_BYTE_TABLE(NearestKernels, nearest_byte_kernels)  // bytes

}  // namespace tinygrad_cv
