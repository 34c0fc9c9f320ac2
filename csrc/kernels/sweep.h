// One pass over dense arrays of equal length, cut into jobs. Included by hot sources only.
#pragma once

#include "runtime/parallel.h"
#include "simd/lanes.h"

namespace tinygrad_cv {
namespace TG_ISA {

constexpr int64_t kSweepJob = int64_t(1) << 14;  // elements: whole cache lines, some 5 us

// Lanes 0 .. n - 1 of v, `rest` in the others.
template <class T>
TG_INLINE Vec<T> first_lanes(Vec<T> v, int n, T rest = T(0)) {
    IVec<T> lane;
    for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
    return lane < Int<T>(n) ? v : splat(rest);
}

// f(i, lanes) for each vector of elements i .. i + lanes - 1; only the last may be no full one.
template <class T, class F>
TG_INLINE void sweep_range(int64_t from, int64_t to, const F& f) {
    int64_t i = from;
    for (; i + kLanes<T> <= to; i += kLanes<T>) f(i, kLanes<T>);
    if (i < to) f(i, int(to - i));
}
template <class T, class F>
TG_INLINE void sweep(int64_t n, int team, const F& f) {
    parallel_for((n + kSweepJob - 1) / kSweepJob, team, [&](int64_t job) {
        const int64_t from = job * kSweepJob;
        sweep_range<T>(from, from + kSweepJob < n ? from + kSweepJob : n, f);
    });
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
