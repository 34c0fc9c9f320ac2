// Normalisation of the channels of x (N, C, L), n images and l positions:
//   batch norm, forward:  m[c] = mean of x[:, c], v[c] = mean of (x[:, c] - m[c])^2,
//                         r[c] = 1 / sqrt(v[c] + eps), y = act((x - m) (r w) + b)
//   backward:  g = gy where y > 0 or NaN (with relu; y is computed again), else gy;
//              gb = sum of g, gw = r sum of g (x - m), over N and L;
//              gx = w r (g - gb / (N L) - (x - m) r gw / (N L))
//   affine:    y = act(x s[c] + t[c])
// Dense arrays; no overlap. w and b may be null (1 and 0). N L >= 1.
//   Means are taken first and deviations after them: no cancellation, however large the mean; sums of
//   some thousand elements are added in double. Channels are independent: equal bits for any thread
//   count.
//   Planes up to 4 KB, and up to 16 KB if all arrays fit L3, are read in the order of memory, twice
//   each way (backward: x and gy); what was read last comes first the second time. Channel by channel
//   they would be C L elements apart, mostly a multiple of 4 KB: planes of a channel then share a few
//   sets of the caches and push one another out, and prefetchers stop at the end of each. Forward and
//   backward so took 1.9 times as long for planes of 8 x 8 and 1.5 for 16 x 16; for 32 x 32 as long on
//   one thread, 1.05 to 1.6 times on two (64 images, float, Zen 3). Planes copied into scratch lost up
//   to 15 % more.
//   Larger ones are taken channel by channel: the second pass finds part of the first in the caches.
//   Their statistics are merged from blocks of images that stay in L2.
#pragma once

#include <stdint.h>

#include "kernels/channel.h"
#include "runtime/threads.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

struct NormPlan {
    int64_t planes;         // of a job, in the order of memory; 0: jobs are channels
    int64_t channels;       // of a job
    int64_t images;         // whose statistics are taken together
    int64_t scratch_bytes;  // for the sums of all planes
    int team, merge_team;   // the latter adds sums of planes
    bool long_work;         // worth releasing the GIL
};

// scratch: scratch_bytes, aligned to 64.
template <class T>
struct NormKernels {
    void (*forward)(const ChannelShape&, const NormPlan&, const T* x, const T* w, const T* b, T eps,
                    bool relu, T* y, T* mean, T* variance, T* root, void* scratch) noexcept;
    void (*backward)(const ChannelShape&, const NormPlan&, const T* gy, const T* x, const T* w,
                     const T* b, const T* mean, const T* root, bool relu, T* gx, T* gw, T* gb,
                     void* scratch) noexcept;
    void (*affine)(const ChannelShape&, const NormPlan&, const T* x, const T* scale, const T* shift,
                   bool relu, T* y) noexcept;
};
struct NormTable {
    NormKernels<float> f32;
    NormKernels<double> f64;
};
TG_DECLARE_TABLE(NormTable, norm)

#ifndef TG_ISA
// element: bytes of a number. arrays: those read in more than one pass: forward 1, backward 2, affine 0.
NormPlan plan_norm(const ChannelShape& g, int64_t element, int arrays, const Machine& m) noexcept;
#endif

}  // namespace tinygrad_cv
