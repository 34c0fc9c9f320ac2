#include "kernels/splitmix.h"

namespace tinygrad_cv {
namespace {

constexpr uint64_t kStep = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio

inline uint64_t mix(uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

}  // namespace

void splitmix_bases(uint64_t key, int64_t n, const int64_t* indices, uint64_t* bases) noexcept {
    const uint64_t start = mix(key);
    for (int64_t i = 0; i < n; ++i) bases[i] = mix(start + (uint64_t(indices[i]) + 1) * kStep);
}

void splitmix_uniform(int64_t n, const uint64_t* bases, uint64_t drawn, int64_t count,
                      const double* low, const double* high, double* y) noexcept {
    for (int64_t i = 0; i < n; ++i) {
        uint64_t counter = bases[i] + drawn * kStep;
        for (int64_t j = 0; j < count; ++j) {
            counter += kStep;
            const double unit = double(mix(counter) >> 11) * 0x1p-53;
            *y++ = low[j] + (high[j] - low[j]) * unit;
        }
    }
}

}  // namespace tinygrad_cv
