// Convolution: which algorithm computes a shape.
#include "kernels/conv_layout.h"

namespace tinygrad_cv {
namespace {

// Rows of a register tile: kTileMr of gemm_tile.h for the instruction set of that width.
int64_t tile_rows(int vec_bytes) {
#if defined(__aarch64__)
    (void)vec_bytes;
    return 8;
#else
    return vec_bytes == 64 ? 12 : vec_bytes == 32 ? 6 : 4;
#endif
}

// The same convolution seen from the gradient: stride 1, kernel flipped, padding complementary.
Conv2dShape flipped_shape(const Conv2dShape& g) {
    Conv2dShape f = g;
    f.C = g.K, f.H = g.P, f.W = g.Q;
    f.K = g.C, f.P = g.H, f.Q = g.W;
    f.ph = (g.R - 1) * g.dh - g.ph;
    f.pw = (g.S - 1) * g.dw - g.pw;
    return f;
}

bool depthwise_fits(const Conv2dShape& g) {
    return g.groups == g.C && g.K == g.C && g.R == g.S && (g.R == 3 || g.R == 5) && g.sh == g.sw &&
           g.sh <= 2 && g.dh * g.dw == 1 && std::max(g.ph, g.pw) <= g.R;
}

// The share of a direct tile's lanes that fall behind the row's end, against what packing costs.
bool direct_pays(const ConvPlan& p) {
    const Conv2dShape& g = p.run;
    if (g.R * g.S == 1) return false;  // packing is a plain copy
    const int64_t lanes = p.panel / 2;
    const double waste = double(round_up(g.Q, lanes)) / double(g.Q);
    return waste <= 1.0 + 4.0 / double(g.K / g.groups);
}

// Output channels fill their vectors better than the columns of a row would, or the rows of a direct
// tile, one in each plane of y, would fall into the same set of L1 (8 ways).
bool channels_pay(const ConvPlan& p, int64_t elem) {
    const Conv2dShape& g = p.run;
    const int64_t lanes = p.panel / 2, k_group = g.K / g.groups;
    const double waste = double(round_up(k_group, lanes)) / double(k_group);
    const bool aliased = p.tile_mr > 8 && g.P * g.Q * elem % 4096 == 0;
    return waste <= 1.1 && g.R * g.S > 1 && (aliased || !direct_pays(p));
}

// Rows and columns of the kernels that a Winograd serves.
int64_t winograd_kernel(ConvAlgo algo) {
    const bool five = algo == ConvAlgo::winograd5x5 || algo == ConvAlgo::winograd5x5_images;
    return five ? 5 : algo == ConvAlgo::winograd4x4 ? 4 : 3;
}

bool winograd_fits(const Conv2dShape& g, int64_t elem, int64_t kernel) {
    return g.R == kernel && g.S == kernel && g.sh * g.sw * g.dh * g.dw == 1 && elem == 4;
}

// The best Winograd for g, or automatic. It wins where the sums over channels are long enough to pay
// for the transforms.
ConvAlgo best_winograd(const Conv2dShape& g, int64_t elem, const ConvOptions& o) {
    const int64_t least = std::min(g.C, g.K) / g.groups, most = std::max(g.C, g.K) / g.groups;
    if (o.exact || g.P * g.Q < 16 || most < 16) return ConvAlgo::automatic;
    return winograd_fits(g, elem, 3) && least >= 16  ? ConvAlgo::winograd4
           : winograd_fits(g, elem, 4) && least >= 8 ? ConvAlgo::winograd4x4
           : winograd_fits(g, elem, 5) && least >= 6 ? ConvAlgo::winograd5x5
                                                     : ConvAlgo::automatic;
}

// The phases of a strided convolution as channels of one of stride 1 leave Winograd at most 9/16 of
// the plain sum's multiplications, those of the zeros behind its taps included.
bool phases_pay(const Conv2dShape& g, int64_t elem, const ConvOptions& o) {
    if (g.sh * g.sw == 1 || g.dh * g.dw != 1) return false;
    const Conv2dShape s = phase_shape(g);
    if (o.forced == ConvAlgo::automatic) {
        // 7 x 7, stride 2, 16 filters, AVX2, forward: 0.94 of the speed with 8 phases, 1.1 with 12.
        return std::min(s.C, s.K) / s.groups >= 12 &&
               best_winograd(s, elem, o) != ConvAlgo::automatic;
    }
    return is_winograd(o.forced) && !o.exact && winograd_fits(s, elem, winograd_kernel(o.forced));
}

// Far fewer tiles of the gradient than of gx, and those of an image fit a block.
bool transposed_pays(const ConvPlan& p, const Machine& m) {
    const Conv2dShape flipped = tile_shape(p.conv, p.algo);
    const Conv2dShape gradient = gradient_tile_shape(p.conv, p.algo);
    const int64_t tiles = gradient.P * gradient.Q;
    if (4 * flipped.P * flipped.Q < 5 * tiles) return false;
    return p.algo == ConvAlgo::winograd5x5_images ||
           (tiles <= 64 && winograd_by_blocks(p, m.l2 / 4));
}

// Images in the lanes: wins over channels in the lanes up to some 1000 products of channels a point,
// and over the plain sum where transforms are shared by enough of them (AVX2 of a Zen 3; 20 -> 50
// channels 0.81 of the time, 32 -> 64 1.18; 3 -> 6 0.66). Planes that outgrow L2 by far are too large.
bool images_pay(const ConvPlan& p, int64_t elem, const Machine& m, const ConvOptions& o) {
    const Conv2dShape& g = p.conv;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, lanes = p.panel / 2;
    const int64_t least = std::min(c_group, k_group), most = std::max(c_group, k_group);
    const bool few = c_group * k_group <= 1024 && (most >= 16 || (least >= 3 && most >= 6));
    const bool full = 4 * round_up(g.N, lanes) <= 5 * g.N;  // few lanes without an image
    if (!few || !full || o.exact || !winograd_fits(g, elem, 5)) return false;
    ConvPlan images = p;
    images.algo = ConvAlgo::winograd5x5_images;
    images.transposed = p.flipped && transposed_pays(images, m);
    lay_winograd_images(images);
    return images.scratch * elem <= m.l2 * 5 / 2;
}

// Sets algo and why, and returns true, where Winograd serves and pays.
bool choose_winograd(ConvPlan& p, int64_t elem, const ConvOptions& o) {
    const ConvAlgo best = best_winograd(p.conv, elem, o);
    if (best == ConvAlgo::automatic) return false;
    p.algo = best;
    p.why = best == ConvAlgo::winograd4
                ? "3 x 3, stride 1, float32, at least 16 channels on both sides"
            : best == ConvAlgo::winograd4x4
                ? "4 x 4, stride 1, float32, at least 8 channels, 16 on one side"
                : "5 x 5, stride 1, float32, at least 6 channels, 16 on one side";
    return true;
}

constexpr const char* kDepthwise = "one kernel for each channel, 3 x 3 or 5 x 5";

// Why the forced algorithm cannot serve, so that the best other one must; null if it can.
const char* refusal(const Conv2dShape& g, ConvPass pass, int64_t elem, const ConvOptions& o) {
    const bool images = o.forced == ConvAlgo::winograd5x5_images;
    const int64_t kernel = winograd_kernel(o.forced);
    if (is_winograd(o.forced) && (o.exact || !winograd_fits(g, elem, kernel))) {
        return kernel == 5 ? "winograd5x5 serves 5 x 5, stride 1, no dilation, float32, not exact; "
                             "chosen instead"
               : kernel == 4
                   ? "winograd4x4 serves 4 x 4, stride 1, no dilation, float32, not exact; "
                     "chosen instead"
                   : "winograd serves 3 x 3, stride 1, no dilation, float32, not exact; "
                     "chosen instead";
    }
    if (o.forced == ConvAlgo::depthwise && !depthwise_fits(g)) {
        return "depthwise serves one kernel for each channel, 3 x 3 or 5 x 5; chosen instead";
    }
    const bool direct = o.forced == ConvAlgo::direct || o.forced == ConvAlgo::channels;
    if ((direct || images) && pass == ConvPass::backward_weight) {
        return images ? "winograd5x5_images does not serve the gradient of weights; chosen instead"
                      : "direct and channels do not serve the gradient of weights; chosen instead";
    }
    return nullptr;
}

// Sets algo and why: the forced algorithm, or the one that `best` gives.
template <class Best>
void choose(ConvPlan& p, ConvPass pass, int64_t elem, const ConvOptions& o, const Best& best) {
    const char* refused = refusal(p.conv, pass, elem, o);
    if (o.forced != ConvAlgo::automatic && !refused) {
        p.algo = o.forced;
        p.why = "forced";
        return;
    }
    best();
    if (refused) p.why = refused;
}

void plan_backward_weight(ConvPlan& p, int64_t elem, const Machine& m, const ConvOptions& o) {
    choose(p, ConvPass::backward_weight, elem, o, [&] {
        p.algo = ConvAlgo::gemm;
        p.why = "products of gradient rows and input rows, summed over pixels";
        if (choose_winograd(p, elem, o)) return;
        if (depthwise_fits(p.conv)) {
            p.algo = ConvAlgo::depthwise;
            p.why = kDepthwise;
        }
    });
    if (p.algo == ConvAlgo::gemm) {
        lay_dot(p, elem, m);
    } else if (p.algo == ConvAlgo::depthwise) {
        lay_depthwise(p);
        p.chunks = p.conv.N;  // one partial sum for each image
    } else {
        lay_winograd_gradient(p, m);
    }
}

void best_forward(ConvPlan& p, int64_t elem, const Machine& m, const ConvOptions& o) {
    if (images_pay(p, elem, m, o)) {
        p.algo = ConvAlgo::winograd5x5_images;
        p.why = "5 x 5, stride 1, float32, few channels: images fill the vectors";
        return;
    }
    // Sums of few channels do not pay for transforms where pixels need none and fill their vectors:
    // 250x6x14x14, 16 filters 5x5, one thread of a Zen 3, AVX2: 2.3 ms against 2.4.
    const bool few = p.conv.C / p.conv.groups < 8 && channels_pay(p, elem);
    if (!few && choose_winograd(p, elem, o)) return;
    if (depthwise_fits(p.conv)) {
        p.algo = ConvAlgo::depthwise;
        p.why = kDepthwise;
    } else if (channels_pay(p, elem)) {
        p.algo = ConvAlgo::channels;
        p.why = "output channels fill the vectors: pixels broadcast in place";
    } else if (direct_pays(p)) {
        p.algo = ConvAlgo::direct;
        p.why = "rows fill the vectors: taps read padded rows in place";
    } else {
        p.algo = ConvAlgo::gemm;
        p.why = p.conv.R * p.conv.S == 1 ? "1 x 1: a matrix product" : "narrow rows: pixels packed";
    }
}

// As the forward pass of flipped weights where that serves; else gathered (depthwise) or scattered.
void plan_backward_input(ConvPlan& p, int64_t elem, const Machine& m, const ConvOptions& o) {
    const Conv2dShape &g = p.conv, f = flipped_shape(g);
    const bool automatic = o.forced == ConvAlgo::automatic;
    if (g.sh == 2 && depthwise_fits(g) && (automatic || o.forced == ConvAlgo::depthwise)) {
        p.algo = ConvAlgo::depthwise;
        p.why = automatic ? kDepthwise : "forced";
        return lay_depthwise(p);
    }
    const bool can_flip = g.sh == 1 && g.sw == 1 && f.ph >= 0 && f.pw >= 0;
    // The flipped pass computes every pixel of gx in full, also where the kernel only reaches zeros;
    // scattering does not, but pays for its additions when K is small.
    const double waste = double(g.H * g.W) / double(g.P * g.Q);
    ConvPlan flipped = p;
    flipped.flipped = true;
    flipped.conv = flipped.run = f;
    flipped.depth = f.C / f.groups * f.R * f.S;
    const bool wasteful = can_flip && waste > 1.0 + 24.0 / double(g.K / g.groups) &&
                          best_winograd(f, elem, o) == ConvAlgo::automatic &&
                          !images_pay(flipped, elem, m, o);
    if (!can_flip || (wasteful && automatic)) {
        p.algo = ConvAlgo::gemm;
        p.why = can_flip ? "little padding: products scattered into planes"
                         : "stride above 1 or padding above kernel - 1: products scattered";
        return lay_scatter(p, elem, m);
    }
    p = flipped;
    choose(p, ConvPass::forward, elem, o, [&] { best_forward(p, elem, m, o); });
    if (is_winograd(p.algo)) p.transposed = transposed_pays(p, m);
    lay_forward(p, elem, m);
}

}  // namespace

const char* conv_algo_name(ConvAlgo algo) noexcept {
    switch (algo) {
        case ConvAlgo::automatic:
            return "auto";
        case ConvAlgo::direct:
            return "direct";
        case ConvAlgo::channels:
            return "channels";
        case ConvAlgo::gemm:
            return "gemm";
        case ConvAlgo::depthwise:
            return "depthwise";
        case ConvAlgo::winograd2:
            return "winograd2";
        case ConvAlgo::winograd4:
            return "winograd4";
        case ConvAlgo::winograd4x4:
            return "winograd4x4";
        case ConvAlgo::winograd5x5:
            return "winograd5x5";
        case ConvAlgo::winograd5x5_images:
            return "winograd5x5_images";
    }
    return "unknown";
}

bool is_winograd(ConvAlgo algo) noexcept {
    return algo == ConvAlgo::winograd2 || algo == ConvAlgo::winograd4 ||
           algo == ConvAlgo::winograd4x4 || algo == ConvAlgo::winograd5x5 ||
           algo == ConvAlgo::winograd5x5_images;
}

ConvPlan plan_conv2d(const Conv2dShape& g, ConvPass pass, int64_t elem, const Machine& m,
                     const ConvOptions& options) {
    ConvPlan p = {};
    p.conv = p.run = g;
    p.tile_mr = tile_rows(m.vec_bytes);
    p.panel = 2 * m.vec_bytes / elem;
    p.k_splits = p.chunks = 1;
    p.depth = g.C / g.groups * g.R * g.S;
    p.work = g.N * g.P * g.Q * g.K * p.depth;
    constexpr int64_t kGrain = 250'000;  // multiplications that are worth a thread: 5 us
    p.team = team_for(p.work, kGrain, m.threads);
    if (g.N == 0) {
        p.algo = ConvAlgo::gemm;
        p.why = "an empty batch";
        p.team = 1;
        return p;
    }
    if (phases_pay(g, elem, options)) {
        ConvPlan phased = plan_conv2d(phase_shape(g), pass, elem, m, options);
        phased.phased = true;
        phased.work = p.work;
        if (options.forced == ConvAlgo::automatic) {
            phased.why = "strided, float32: phases as channels of stride 1, which Winograd serves";
        }
        return phased;
    }
    if (pass == ConvPass::forward) {
        choose(p, pass, elem, options, [&] { best_forward(p, elem, m, options); });
        lay_forward(p, elem, m);
    } else if (pass == ConvPass::backward_input) {
        plan_backward_input(p, elem, m, options);
    } else {
        plan_backward_weight(p, elem, m, options);
    }
    return p;
}

}  // namespace tinygrad_cv
