// Sums over everything but the channels of x (N, C, L): the gradient of a bias.
//   sum:  s[c] = sum_n,l x[n, c, l]
//   relu: gx = gy where y > 0 or NaN, else 0, and s[c] = sum_n,l gx[n, c, l], in one pass over memory
// x, gy, y, gx dense; gx may be gy. Sums run over blocks of images fixed by the shape, which are added
// in order: equal bits for any thread count. Error at most (blocks + images of a block + L / lanes)
// eps times the sum of magnitudes. 1 flop, sizeof(T) (relu: 3 * sizeof(T)) bytes an element.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

struct ChannelShape {
    int64_t N, C, L;  // images, channels, positions
};
struct ChannelPlan {
    int64_t images, channels;  // of a job
    int64_t blocks, groups;    // jobs along each
    int64_t scratch_bytes;     // for the sums of all jobs
    int team;
    bool long_work;  // worth releasing the GIL
};

template <class T>
struct ChannelKernels {
    // scratch: plan.scratch_bytes, aligned to 64
    void (*sum)(const ChannelShape&, const ChannelPlan&, const T* x, T* s, void* scratch) noexcept;
    void (*relu)(const ChannelShape&, const ChannelPlan&, const T* gy, const T* y, T* gx, T* s,
                 void* scratch) noexcept;
};
struct ChannelTable {
    ChannelKernels<float> f32;
    ChannelKernels<double> f64;
};
TG_DECLARE_TABLE(ChannelTable, channel)

#ifndef TG_ISA
ChannelPlan plan_channel(const ChannelShape& g, int64_t element, int threads) noexcept;
#endif

}  // namespace tinygrad_cv
