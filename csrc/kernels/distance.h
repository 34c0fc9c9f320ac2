// Distances between all rows of two matrices, contract:
//   l1:           d[i, j] = sum_k |x[i, k] - y[j, k]|
//   sqeuclidean:  d[i, j] = sum_k (x[i, k] - y[j, k])^2     i < N, j < M, k < D
// x (N, D), y (M, D) and d (N, M) are dense; d overlaps neither. D = 0 gives 0. NaN stays NaN.
//   float, double: differences are taken before they are summed, so near rows lose nothing to
//   cancellation: error at most (D + 2) eps d.
//   uint8: exact, as int64.
#pragma once

#include <stdint.h>

#include "runtime/threads.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

enum class Metric : int { l1, sqeuclidean };

struct DistanceShape {
    int64_t N, M, D;
};

struct DistancePlan {
    int64_t block;          // rows of y that stay in L2 while x passes by
    int jobs_n, jobs_m;     // each job takes a rectangle of d
    int64_t scratch_bytes;  // per job
    bool long_enough;       // to let other Python threads run meanwhile
};

// Pure. `element` is the size of an element of x and y.
DistancePlan plan_distance(const DistanceShape& s, int64_t element, Metric metric,
                           const Machine& machine);

void pairwise_distance(const DistanceShape& s, Metric metric, const float* x, const float* y,
                       float* d, const DistancePlan& plan);
void pairwise_distance(const DistanceShape& s, Metric metric, const double* x, const double* y,
                       double* d, const DistancePlan& plan);
void pairwise_distance(const DistanceShape& s, Metric metric, const uint8_t* x, const uint8_t* y,
                       int64_t* d, const DistancePlan& plan);

struct DistanceKernels {
    void (*f32)(const DistanceShape& s, Metric metric, const float* x, const float* y, float* d,
                const DistancePlan& plan) noexcept;
    void (*f64)(const DistanceShape& s, Metric metric, const double* x, const double* y, double* d,
                const DistancePlan& plan) noexcept;
    void (*u8)(const DistanceShape& s, Metric metric, const uint8_t* x, const uint8_t* y,
               int64_t* d, const DistancePlan& plan, void* scratch) noexcept;
};
TG_DECLARE_BYTE_TABLE(DistanceKernels, distance_kernels)

}  // namespace tinygrad_cv
