// Normalisation of the channels of x (N, C, L), n images and l positions:
//   batch norm, forward:  m[c] = mean of x[:, c], v[c] = mean of (x[:, c] - m[c])^2,
//                         r[c] = 1 / sqrt(v[c] + eps), y = act((x - m) (r w) + b)
//   backward:  g = gy where y > 0 or NaN (with relu; y is computed again), else gy;
//              gb = sum of g, gw = r sum of g (x - m), over N and L;
//              gx = w r (g - gb / (N L) - (x - m) r gw / (N L))
//   affine:    y = act(x s[c] + t[c])
// Dense arrays; no overlap. w and b may be null (1 and 0). N L >= 1.
//   Means are taken first and deviations after them (two passes): no cancellation, however large the
//   mean; sums of planes are added in double. A channel of all images stays in the cache from pass to
//   pass (256 KB for 64 images of 32 x 32), so memory is read once (backward: x and gy once each).
//   Channels are independent: equal bits for any thread count.
#pragma once

#include <stdint.h>

#include "kernels/channel.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

struct NormPlan {
    int64_t channels;  // of a job
    int team;
    bool long_work;  // worth releasing the GIL
};

template <class T>
struct NormKernels {
    void (*forward)(const ChannelShape&, const NormPlan&, const T* x, const T* w, const T* b, T eps,
                    bool relu, T* y, T* mean, T* variance, T* root) noexcept;
    void (*backward)(const ChannelShape&, const NormPlan&, const T* gy, const T* x, const T* w,
                     const T* b, const T* mean, const T* root, bool relu, T* gx, T* gw,
                     T* gb) noexcept;
    void (*affine)(const ChannelShape&, const NormPlan&, const T* x, const T* scale, const T* shift,
                   bool relu, T* y) noexcept;
};
struct NormTable {
    NormKernels<float> f32;
    NormKernels<double> f64;
};
TG_DECLARE_TABLE(NormTable, norm)

#ifndef TG_ISA
NormPlan plan_norm(const ChannelShape& g, int64_t element, int threads) noexcept;
#endif

}  // namespace tinygrad_cv
