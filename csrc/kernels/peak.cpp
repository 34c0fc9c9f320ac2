#include "kernels/peak.h"

#include <chrono>
#include <vector>

#include "runtime/parallel.h"

namespace tinygrad_cv {

double measure_peak(bool float64, int threads, double seconds) {
    using Clock = std::chrono::steady_clock;
    const PeakKernels& kernels = TG_PICK(peak);
    const auto kernel = float64 ? kernels.fma_f64 : kernels.fma_f32;
    constexpr int64_t kSteps = 200000;
    std::vector<double> flops(size_t(threads) * 8);  // a cache line a thread
    double best = 0;
    const auto start = Clock::now();
    do {
        const auto t0 = Clock::now();
        parallel_for(threads, threads, [&](int64_t t) { flops[size_t(t) * 8] = kernel(kSteps); });
        const double took = std::chrono::duration<double>(Clock::now() - t0).count();
        double sum = 0;
        for (int t = 0; t < threads; ++t) sum += flops[size_t(t) * 8];
        if (sum / took > best) best = sum / took;
    } while (std::chrono::duration<double>(Clock::now() - start).count() < seconds);
    return best * 1e-9;
}

}  // namespace tinygrad_cv
