#include "kernels/norm.h"

#include <algorithm>

namespace tinygrad_cv {

NormPlan plan_norm(const ChannelShape& g, int64_t element, int arrays, const Machine& m) noexcept {
    constexpr int64_t job = int64_t(1) << 15;     // elements of a job: some 20 us
    constexpr int64_t line = 64;                  // bytes of the widest vector
    constexpr int64_t page = 4 << 10;             // bytes of a plane: what prefetchers follow
    constexpr int64_t longest = 16 << 10;         // of one whose sums need no double
    constexpr int64_t block = int64_t(64) << 10;  // bytes of planes that stay in any L2
    const int64_t each = std::max<int64_t>(1, g.N * g.L), lanes = line / element;
    const int64_t plane = g.L * element, moved = (arrays + 1) * g.N * g.C * plane;
    NormPlan plan = {};
    plan.channels = std::max<int64_t>(1, job / each);
    plan.images = std::max<int64_t>(1, block / element / std::max<int64_t>(1, g.L));
    if (g.L == 1) {  // lanes over channels: whole vectors of them
        plan.channels = (plan.channels + lanes - 1) / lanes * lanes;
    } else if (arrays == 0 || plane <= page || (plane <= longest && moved <= m.l3)) {
        plan.planes = std::max<int64_t>(1, job / std::max<int64_t>(1, g.L));
        plan.scratch_bytes = arrays == 0 ? 0 : 2 * g.N * g.C * element;
    }
    plan.team = team_for(g.N * g.C * g.L, job / 2, m.threads);
    plan.merge_team = team_for(g.N * g.C, job, m.threads);
    plan.long_work = g.N * g.C * g.L > job;
    return plan;
}

}  // namespace tinygrad_cv
