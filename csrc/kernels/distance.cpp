#include "kernels/distance.h"

#include <algorithm>

#include "runtime/pool.h"

namespace tinygrad_cv {
namespace {

constexpr int64_t kThreadGrain = 128 << 10;  // pairs of elements
constexpr int64_t kReleaseGil = 1 << 20;
constexpr int64_t kMostRows = 8;            // of a register tile, in any set
constexpr int64_t kBlockBytes = 256 << 10;  // of y, beside what x and d need in L2

}  // namespace

DistancePlan plan_distance(const DistanceShape& s, int64_t element, Metric metric,
                           const Machine& machine) {
    DistancePlan p = {};
    const int64_t work = s.N * s.M * std::max<int64_t>(s.D, 1);
    const int team =
        team_for(work, kThreadGrain / std::max<int64_t>(8 / element, 1) * 8, machine.threads);
    (s.N >= s.M ? p.jobs_n : p.jobs_m) = team;
    (s.N >= s.M ? p.jobs_m : p.jobs_n) = 1;
    p.long_enough = work > kReleaseGil;
    const bool prepared = element == 1 && metric == Metric::sqeuclidean;
    const int64_t row = std::max<int64_t>(s.D * (prepared ? 2 : element), 1);
    p.block = std::min(std::max<int64_t>(kBlockBytes / row, kMostRows), std::max<int64_t>(s.M, 1));
    if (prepared) {  // rows in up to 16 bits, whole vectors, and a number for each row
        const int64_t padded = (2 * s.D + 63) / 64 * 64;
        const int64_t numbers = p.block + s.N / p.jobs_n + 1;
        p.scratch_bytes = (p.block + kMostRows) * padded + (numbers * 8 + 63) / 64 * 64;
    }
    return p;
}

void pairwise_distance(const DistanceShape& s, Metric metric, const float* x, const float* y,
                       float* d, const DistancePlan& plan) {
    TG_PICK_BYTE(distance_kernels).f32(s, metric, x, y, d, plan);
}
void pairwise_distance(const DistanceShape& s, Metric metric, const double* x, const double* y,
                       double* d, const DistancePlan& plan) {
    TG_PICK_BYTE(distance_kernels).f64(s, metric, x, y, d, plan);
}
void pairwise_distance(const DistanceShape& s, Metric metric, const uint8_t* x, const uint8_t* y,
                       int64_t* d, const DistancePlan& plan) {
    const Buffer<char> scratch = make_buffer<char>(plan.scratch_bytes * plan.jobs_n * plan.jobs_m);
    TG_PICK_BYTE(distance_kernels).u8(s, metric, x, y, d, plan, scratch.get());
}

}  // namespace tinygrad_cv
