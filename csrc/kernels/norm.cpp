#include "kernels/norm.h"

#include <algorithm>

namespace tinygrad_cv {

NormPlan plan_norm(const ChannelShape& g, int64_t element, int arrays, const Machine& m) noexcept {
    constexpr int64_t job = int64_t(1) << 15;  // elements of a job: some 20 us
    constexpr int64_t line = 64;               // bytes of the widest vector
    constexpr int64_t page = 4 << 10;  // bytes of neighbouring planes: what prefetchers follow
    // Copies of planes of 1 KB gain nothing, of 4 KB they lose 7 to 20 % (Skylake-SP).
    constexpr int64_t small = 1 << 10;
    constexpr int64_t block = int64_t(64) << 10;  // bytes of planes that stay in any L2
    const int64_t each = std::max<int64_t>(1, g.N * g.L), lanes = line / element;
    NormPlan plan = {};
    plan.channels = std::max<int64_t>(1, job / each);
    plan.images = std::max<int64_t>(1, block / element / std::max<int64_t>(1, g.L));
    if (g.L == 1) {  // lanes over channels: whole vectors of them
        plan.channels = (plan.channels + lanes - 1) / lanes * lanes;
    } else if (g.N > 1 && arrays > 0 && g.L * element < small) {
        // An odd number of lines: channels begin in different sets of the caches.
        const int64_t pitch = ((each + lanes - 1) / lanes | 1) * lanes;
        const int64_t fit = m.l2 * 9 / 16 / (arrays * pitch * element);
        if (fit > 0) {
            plan.pitch = pitch;
            plan.images = g.N;
            plan.channels = std::max(plan.channels, page / (g.L * element));
            const int64_t even = g.C / (4 * m.threads);  // four jobs a thread
            plan.channels = std::max<int64_t>(1, std::min({plan.channels, fit, even}));
            plan.scratch_bytes = arrays * plan.channels * pitch * element;
        }
    }
    plan.team = team_for(g.N * g.C * g.L, job / 2, m.threads);
    plan.long_work = g.N * g.C * g.L > job;
    return plan;
}

}  // namespace tinygrad_cv
