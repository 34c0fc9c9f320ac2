#include "kernels/loss.h"

#include <algorithm>

#include "runtime/threads.h"

namespace tinygrad_cv {

RowPlan plan_rows(const RowShape& g, int threads) noexcept {
    constexpr int64_t job = int64_t(1) << 13;  // elements of a job: some 5 us
    constexpr int64_t least = int64_t(16);     // rows of whole cache lines, for what is one a row
    const int64_t rows = job / std::max<int64_t>(1, g.K) / least * least;
    RowPlan plan = {};
    plan.rows = std::max(least, rows);
    plan.team = team_for(g.R * std::max(g.K, least), 2 * job, threads);
    plan.long_work = g.R * g.K > 4 * job;
    return plan;
}

}  // namespace tinygrad_cv
