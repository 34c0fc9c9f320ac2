#include "kernels/elementwise.h"

#include "runtime/threads.h"

namespace tinygrad_cv {

namespace {
constexpr int64_t kGrain = int64_t(1) << 16;  // elements moved that are worth a thread: some 10 us
}

ElementwisePlan plan_elementwise(Activation f, int64_t n, int threads) noexcept {
    // What needs an exponential takes some four times as long as what only moves memory.
    const bool cheap =
        f == Activation::relu || f == Activation::relu6 || f == Activation::leaky_relu;
    const int64_t work = cheap ? n : 4 * n;
    return {team_for(work, kGrain, threads), work > 2 * kGrain};
}

}  // namespace tinygrad_cv
