// Convolution: the drivers. Each takes scratch from the pool, packs the weights and calls the hot
// loops of the plan's algorithm.
#include "kernels/conv.h"

#include <algorithm>
#include <vector>

#include "runtime/parallel.h"
#include "runtime/pool.h"

namespace tinygrad_cv {
namespace {

const ConvTileKernels<float>& tile_kernels(float) { return TG_PICK(conv_tile_f32); }
const ConvTileKernels<double>& tile_kernels(double) { return TG_PICK(conv_tile_f64); }
const ConvDepthwiseKernels<float>& depthwise_kernels(float) { return TG_PICK(conv_depthwise_f32); }
const ConvDepthwiseKernels<double>& depthwise_kernels(double) {
    return TG_PICK(conv_depthwise_f64);
}
const ConvChannelKernels<float>& channel_kernels(float) { return TG_PICK(conv_channels_f32); }
const ConvChannelKernels<double>& channel_kernels(double) { return TG_PICK(conv_channels_f64); }
const ConvGradKernels<float>& grad_kernels(float) { return TG_PICK(conv_grad_f32); }
const ConvGradKernels<double>& grad_kernels(double) { return TG_PICK(conv_grad_f64); }

// Where term (c, r, s) lies from the first value of its sum, in padded rows.
int64_t tap_offset(const ConvPlan& plan, int64_t c, int64_t r, int64_t s) {
    const Conv2dShape& g = plan.run;
    return (c * plan.in_rows + r * g.dh) * plan.row + s * g.dw % g.sw * plan.phase +
           s * g.dw / g.sw;
}

Buffer<int64_t> term_offsets(const ConvPlan& plan, int64_t channels, bool packed) {
    const int64_t taps = plan.run.R * plan.run.S, terms = channels * taps;
    Buffer<int64_t> offsets = make_buffer<int64_t>(terms);
    for (int64_t d = 0; d < terms; ++d) {
        const int64_t r = d % taps / plan.run.S, s = d % plan.run.S;
        offsets[d] = packed ? d * plan.panel : tap_offset(plan, d / taps, r, s);
    }
    return offsets;
}

const ConvWinogradKernels& winograd_kernels(ConvAlgo algo) {
    return algo == ConvAlgo::winograd4     ? TG_PICK(conv_winograd4)
           : algo == ConvAlgo::winograd2   ? TG_PICK(conv_winograd2)
           : algo == ConvAlgo::winograd4x4 ? TG_PICK(conv_winograd4x4)
           : algo == ConvAlgo::winograd5x5 ? TG_PICK(conv_winograd5x5)
                                           : TG_PICK(conv_winograd5x5_images);
}
const ConvWinogradGradKernels& winograd_grad_kernels(ConvAlgo algo) {
    return algo == ConvAlgo::winograd4     ? TG_PICK(conv_winograd_grad4)
           : algo == ConvAlgo::winograd2   ? TG_PICK(conv_winograd_grad2)
           : algo == ConvAlgo::winograd4x4 ? TG_PICK(conv_winograd_grad4x4)
                                           : TG_PICK(conv_winograd_grad5x5);
}

void run_winograd(const ConvPlan& plan, const float* x, const float* w, const ConvWeights& from,
                  int64_t group_step, const float* bias, bool relu, float* y) {
    const Buffer<float> shared = make_buffer<float>(plan.shared);
    const Buffer<float> scratch = make_buffer<float>(plan.scratch * plan.team);
    winograd_kernels(plan.algo).forward(plan, from, group_step, x, w, bias, relu, y, shared.get(),
                                        scratch.get());
}

template <class T>
void run_channels(const ConvPlan& plan, const T* x, const T* w, const ConvWeights& from,
                  int64_t group_step, const T* bias, bool relu, T* y) {
    const int64_t panels = (from.rows + plan.panel - 1) / plan.panel;
    const int64_t size = panels * plan.panel * plan.depth;
    const Buffer<T> packed = make_buffer<T>(plan.run.groups * size);
    const Buffer<T> scratch = make_buffer<T>(plan.scratch * plan.team);
    const Buffer<int64_t> offsets =
        term_offsets(plan, plan.run.C / plan.run.groups, /*packed=*/false);
    for (int64_t group = 0; group < plan.run.groups; ++group) {
        channel_kernels(T()).pack(from, plan.team, w + group * group_step,
                                  packed.get() + group * size);
    }
    channel_kernels(T()).forward(plan, x, packed.get(), offsets.get(), bias, relu, y,
                                 scratch.get());
}

// y = the plan's forward convolution of x; `from` says how w lies (flipped for backward_input).
template <class T>
void run_forward(const ConvPlan& plan, const T* x, const T* w, const ConvWeights& from,
                 int64_t group_step, const T* bias, bool relu, T* y) {
    if constexpr (sizeof(T) == sizeof(float)) {
        if (is_winograd(plan.algo)) {
            return run_winograd(plan, x, w, from, group_step, bias, relu, y);
        }
    }
    if (plan.algo == ConvAlgo::channels) {
        return run_channels(plan, x, w, from, group_step, bias, relu, y);
    }
    const ConvTileKernels<T>& kernels = tile_kernels(T());
    const bool direct = plan.algo == ConvAlgo::direct;
    const Buffer<T> packed = make_buffer<T>(plan.run.K * plan.depth);
    const Buffer<T> scratch = make_buffer<T>(plan.scratch * plan.team);
    const int64_t size = from.rows * plan.depth;
    for (int64_t group = 0; group < plan.run.groups; ++group) {
        kernels.pack(from, plan.tile_mr, w + group * group_step, packed.get() + group * size);
    }
    if (plan.algo == ConvAlgo::depthwise) {
        depthwise_kernels(T()).forward(plan, x, packed.get(), bias, relu, y, scratch.get());
        return;
    }
    const Buffer<int64_t> offsets =
        term_offsets(plan, plan.run.C / plan.run.groups, /*packed=*/!direct);
    (direct ? kernels.direct : kernels.gemm)(plan, x, packed.get(), offsets.get(), bias, relu, y,
                                             scratch.get());
}

// Where tap (r, s) of g lies among those of s = phase_shape(g), from the first of its channel.
std::vector<int64_t> phase_taps(const Conv2dShape& g, const Conv2dShape& s) {
    std::vector<int64_t> taps;
    for (int64_t r = 0; r < g.R; ++r) {
        for (int64_t c = 0; c < g.S; ++c) {
            const int64_t phase = r % g.sh * g.sw + c % g.sw;
            taps.push_back(phase * s.R * s.S + r / g.sh * s.S + c / g.sw);
        }
    }
    return taps;
}

Buffer<float> phase_weights(const Conv2dShape& g, const Conv2dShape& s, const float* w) {
    const std::vector<int64_t> taps = phase_taps(g, s);
    const int64_t planes = g.K * (g.C / g.groups), step = g.sh * g.sw * s.R * s.S;
    Buffer<float> to = make_buffer<float>(planes * step);
    std::fill(to.get(), to.get() + planes * step, 0.0f);
    float* plane = to.get();
    for (int64_t i = 0; i < planes; ++i, plane += step) {
        for (const int64_t tap : taps) plane[tap] = *w++;
    }
    return to;
}

Buffer<float> phase_input(const Conv2dShape& g, const Conv2dShape& s, int team, const float* x) {
    Buffer<float> to = make_buffer<float>(s.N * s.C * s.H * s.W);
    TG_PICK(conv_phases).split(g, s, team, x, to.get());
    return to;
}

// The plan for phase_shape(g) as its own.
ConvPlan unphased(const ConvPlan& plan) {
    ConvPlan inner = plan;
    inner.phased = false;
    return inner;
}

void gather_taps(const Conv2dShape& g, const Conv2dShape& s, const float* from, float* gw) {
    const std::vector<int64_t> taps = phase_taps(g, s);
    for (int64_t i = 0; i < g.K * (g.C / g.groups); ++i, from += g.sh * g.sw * s.R * s.S) {
        for (const int64_t tap : taps) *gw++ = from[tap];
    }
}

}  // namespace

template <class T>
void conv2d(const Conv2dShape& g, const ConvPlan& plan, const T* x, const T* w, const T* bias,
            bool relu, T* y) {
    if (g.N == 0) return;
    if constexpr (sizeof(T) == sizeof(float)) {
        if (plan.phased) {
            const Conv2dShape s = phase_shape(g);
            const Buffer<float> xs = phase_input(g, s, plan.team, x);
            const Buffer<float> ws = phase_weights(g, s, w);
            return conv2d(s, unphased(plan), xs.get(), ws.get(), bias, relu, y);
        }
    }
    const int64_t taps = g.R * g.S, rows = g.K / g.groups;
    const int64_t depth = g.C / g.groups * taps;
    const ConvWeights from = {rows, g.C / g.groups, taps, depth, taps, 1};
    run_forward(plan, x, w, from, rows * depth, bias, relu, y);
}

template <class T>
void conv2d_backward_input(const Conv2dShape& g, const ConvPlan& plan, const T* gy, const T* w,
                           T* gx) {
    if (g.N == 0) return;
    if constexpr (sizeof(T) == sizeof(float)) {
        if (plan.phased) {
            const Conv2dShape s = phase_shape(g);
            const Buffer<float> gxs = make_buffer<float>(s.N * s.C * s.H * s.W);
            const Buffer<float> ws = phase_weights(g, s, w);
            conv2d_backward_input(s, unphased(plan), gy, ws.get(), gxs.get());
            TG_PICK(conv_phases).join(g, s, plan.team, gxs.get(), gx);
            return;
        }
    }
    const int64_t taps = g.R * g.S, c_group = g.C / g.groups, k_group = g.K / g.groups;
    if (plan.flipped) {
        const int64_t first = plan.transposed ? 0 : taps - 1, inner = plan.transposed ? 1 : -1;
        const ConvWeights from = {c_group, k_group, taps, taps, c_group * taps, inner};
        run_forward<T>(plan, gy, w + first, from, k_group * c_group * taps, nullptr, false, gx);
        return;
    }
    const Buffer<T> scratch = make_buffer<T>(plan.scratch * plan.team);
    if (plan.algo == ConvAlgo::depthwise) {
        depthwise_kernels(T()).backward_input(plan, gy, w, gx, scratch.get());
        return;
    }
    const Buffer<T> packed = make_buffer<T>(g.K * plan.depth);
    const Buffer<int64_t> offsets = term_offsets(plan, plan.channels, /*packed=*/false);
    for (int64_t group = 0; group < g.groups; ++group) {
        for (int64_t c = 0; c < c_group; c += plan.channels) {
            const int64_t terms = std::min(plan.channels, c_group - c) * taps;
            const ConvWeights from = {terms, k_group, 1, 1, c_group * taps, 0};
            tile_kernels(T()).pack(from, plan.tile_mr, w + (group * k_group * c_group + c) * taps,
                                   packed.get() + (group * c_group + c) * taps * k_group);
        }
    }
    grad_kernels(T()).scatter(plan, gy, packed.get(), offsets.get(), gx, scratch.get());
}

template <class T>
void conv2d_backward_weight(const Conv2dShape& g, const ConvPlan& plan, const T* x, const T* gy,
                            T* gw) {
    const int64_t count = g.K * plan.depth;
    if (g.N == 0) {
        std::fill(gw, gw + count, T(0));
        return;
    }
    if constexpr (sizeof(T) == sizeof(float)) {
        if (plan.phased) {
            const Conv2dShape s = phase_shape(g);
            const Buffer<float> xs = phase_input(g, s, plan.team, x);
            const Buffer<float> gws = make_buffer<float>(s.K * (s.C / s.groups) * s.R * s.S);
            conv2d_backward_weight(s, unphased(plan), xs.get(), gy, gws.get());
            gather_taps(g, s, gws.get(), gw);
            return;
        }
    }
    const Buffer<T> scratch = make_buffer<T>(plan.scratch * plan.team);
    if constexpr (sizeof(T) == sizeof(float)) {
        if (is_winograd(plan.algo)) {
            const Buffer<float> partial = make_buffer<float>(plan.partial);
            const Buffer<float> shared = make_buffer<float>(plan.shared);
            winograd_grad_kernels(plan.algo).backward_weight(plan, x, gy, gw, partial.get(),
                                                             shared.get(), scratch.get());
            return;
        }
    }
    const auto run = plan.algo == ConvAlgo::depthwise ? depthwise_kernels(T()).backward_weight
                                                      : grad_kernels(T()).dot;
    if (plan.chunks == 1) {
        run(plan, x, gy, gw, scratch.get());
        return;
    }
    const Buffer<T> partial = make_buffer<T>(plan.chunks * count);
    run(plan, x, gy, partial.get(), scratch.get());
    grad_kernels(T()).sum_chunks(plan.chunks, count, plan.team, partial.get(), gw);
}

#define TG_INSTANTIATE(T)                                                                      \
    template void conv2d<T>(const Conv2dShape&, const ConvPlan&, const T*, const T*, const T*, \
                            bool, T*);                                                         \
    template void conv2d_backward_input<T>(const Conv2dShape&, const ConvPlan&, const T*,      \
                                           const T*, T*);                                      \
    template void conv2d_backward_weight<T>(const Conv2dShape&, const ConvPlan&, const T*,     \
                                            const T*, T*);
TG_INSTANTIATE(float)
TG_INSTANTIATE(double)
#undef TG_INSTANTIATE

}  // namespace tinygrad_cv
