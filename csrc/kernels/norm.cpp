#include "kernels/norm.h"

#include <algorithm>

#include "runtime/threads.h"

namespace tinygrad_cv {

NormPlan plan_norm(const ChannelShape& g, int64_t element, int threads) noexcept {
    constexpr int64_t job = int64_t(1) << 15;  // elements of a job: some 20 us
    constexpr int64_t line = 64;               // bytes of the widest vector
    const int64_t each = std::max<int64_t>(1, g.N * g.L);
    NormPlan plan = {};
    plan.channels = std::max<int64_t>(1, job / each);
    if (g.L == 1) {  // lanes over channels: whole vectors of them
        const int64_t lanes = line / element;
        plan.channels = (plan.channels + lanes - 1) / lanes * lanes;
    }
    plan.team = team_for(g.N * g.C * g.L, job / 2, threads);
    plan.long_work = g.N * g.C * g.L > job;
    return plan;
}

}  // namespace tinygrad_cv
