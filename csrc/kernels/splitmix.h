// Random numbers as a function of their position: number `drawn` + j of sample i is a hash of both.
//   mix: the finalizer of splitmix64 (Steele et al. 2014, "Fast splittable pseudorandom number
//   generators"), for counters as in Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
//   Integers modulo 2^64 throughout: the same numbers on every machine.
#pragma once

#include <stdint.h>

namespace tinygrad_cv {

// bases[i] = mix(mix(key) + (indices[i] + 1) step), i < n.
void splitmix_bases(uint64_t key, int64_t n, const int64_t* indices, uint64_t* bases) noexcept;

// y[i, j] = low[j] + (high[j] - low[j]) u, with u = mix(bases[i] + (drawn + 1 + j) step) >> 11, times
//   2^-53, in [0, 1); i < n, j < count. Some 2 ns a number.
void splitmix_uniform(int64_t n, const uint64_t* bases, uint64_t drawn, int64_t count,
                      const double* low, const double* high, double* y) noexcept;

}  // namespace tinygrad_cv
