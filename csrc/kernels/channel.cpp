#include "kernels/channel.h"

#include <algorithm>

#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

constexpr int64_t kJob = int64_t(1) << 15;  // elements of a job: some 10 us
constexpr int64_t kMostBlocks = 64;         // sums kept for each channel
constexpr int64_t kLine = 64;               // bytes of the widest vector: one sum's place

int64_t ceil_div(int64_t n, int64_t unit) { return (n + unit - 1) / unit; }

}  // namespace

ChannelPlan plan_channel(const ChannelShape& g, int64_t element, int threads) noexcept {
    ChannelPlan plan = {};
    const int64_t image = std::max<int64_t>(1, g.C * g.L);
    const int64_t least = std::max(ceil_div(g.N, kMostBlocks), ceil_div(kJob, image));
    plan.images = std::max<int64_t>(1, std::min(g.N, least));
    plan.blocks = ceil_div(g.N, plan.images);
    // Whole vectors of channels, since one position a channel means lanes over channels.
    const int64_t lanes = kLine / element;
    const int64_t planes = std::max<int64_t>(1, plan.images * g.L);
    const int64_t channels = ceil_div(std::max<int64_t>(1, kJob / planes), lanes) * lanes;
    plan.channels = std::max<int64_t>(1, std::min(g.C, channels));
    plan.groups = ceil_div(g.C, plan.channels);
    plan.scratch_bytes = std::max<int64_t>(1, plan.blocks * g.C) * kLine;
    plan.team = team_for(g.N * g.C * g.L, kJob / 2, threads);
    plan.long_work = g.N * g.C * g.L > 2 * kJob;
    return plan;
}

}  // namespace tinygrad_cv
