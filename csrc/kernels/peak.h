// The machine's measured peak, beside which benchmarks put their figures.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

struct PeakKernels {
    // steps x (independent multiply-adds that fill the registers); returns flops done.
    double (*fma_f32)(int64_t steps) noexcept;
    double (*fma_f64)(int64_t steps) noexcept;
};
TG_DECLARE_TABLE(PeakKernels, peak)

// Multiply-adds a second, in GFLOP/s (two flops each), with operands in registers on `threads`
// threads at once, for about `seconds`.
double measure_peak(bool float64, int threads, double seconds);

}  // namespace tinygrad_cv
