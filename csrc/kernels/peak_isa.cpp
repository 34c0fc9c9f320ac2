// acc[i] = acc[i] * a + b for ten independent accumulators: enough to hide the latency of the FMA
// (4 cycles, two a cycle), few enough for every instruction set's registers. They begin at different
// values, none of them b / (1 - a): what is equal or constant the compiler would compute once.
#include "kernels/peak.h"
#include "simd/vec.h"

namespace tinygrad_cv {
namespace TG_ISA {

template <class T>
static double fma_rate(int64_t steps) noexcept {
    constexpr int kAccumulators = 10;
    Vec<T> acc[kAccumulators];
    for (int i = 0; i < kAccumulators; ++i) acc[i] = splat(T(3 + i));
    Vec<T> a = splat(T(0.5)), b = splat(T(1));
    for (int64_t s = 0; s < steps; ++s) {
        TG_UNROLL
        for (int i = 0; i < kAccumulators; ++i) acc[i] = fma(acc[i], a, b);
    }
    Vec<T> sum = {};
    for (int i = 0; i < kAccumulators; ++i) sum += acc[i];
    volatile T sink = sum_lanes<T>(sum);
    (void)sink;
    return 2.0 * kAccumulators * kLanes<T> * double(steps);
}

extern const PeakKernels peak;
const PeakKernels peak = {fma_rate<float>, fma_rate<double>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
