#include "kernels/pool.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

constexpr int64_t kLargest = int64_t(1) << 20;  // of a setting: no size computed below overflows
constexpr int64_t kMostTaps = (int64_t(1) << 31) - 1;  // argmax is an int32 at the most
constexpr int64_t kJob = 1 << 14;   // elements a job: some 10 us, and a plane at the least
constexpr int64_t kLong = 1 << 16;  // elements above which the GIL is released: some 20 us

// Gradients added in registers cost a compare for every window that covers the element; beyond this
// many the scalar scatter, one addition a window, wins.
constexpr int64_t kMostCovers = 32;

constexpr int64_t kLine = 64;                 // bytes of the widest vector
constexpr int64_t kBand = int64_t(64) << 10;  // bytes of scratch: a small share of any L2

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

std::string pair(const int64_t (&v)[2]) {
    return "(" + std::to_string(v[0]) + ", " + std::to_string(v[1]) + ")";
}

void check(const char* where, const char* name, const int64_t (&v)[2], int64_t least) {
    if (std::min(v[0], v[1]) < least || std::max(v[0], v[1]) >= kLargest) {
        throw std::invalid_argument(std::string(where) + ": " + name + " is " + pair(v) +
                                    " but must be " + std::to_string(least) + " to 2^20 - 1");
    }
}

// Windows along one axis, as PyTorch counts them.
int64_t count_windows(int64_t size, int64_t span, int64_t stride, int64_t padding, bool ceil_mode) {
    const int64_t room = size + 2 * padding - span;
    if (room < 0) return 0;
    if (!ceil_mode) return room / stride + 1;
    const int64_t out = (room + stride - 1) / stride + 1;
    // The last window must start inside the input or its left padding.
    return (out - 1) * stride >= size + padding ? out - 1 : out;
}

// Lets lanes run along small planes. Larger ones fill vectors with their rows, and a group of them
// would leave the first-level cache: 2x2 windows that touch gain up to 10 x 10, others up to 16 x 16
// (AVX-512), and strides without vectors along rows up to a share of L2.
void by_planes(PoolPlan& plan, const Pool2dShape& g, int64_t element) {
    const int64_t lanes = kLine / element, in = g.H * g.W, out = g.P * g.Q;
    const bool touching = g.kh == 2 && g.kw == 2 && g.sh == 2 && g.sw == 2 && g.ph + g.pw == 0;
    const int64_t most = touching ? 128 : g.sw <= 2 ? 256 : 1024;
    if (g.planes < lanes / 2 || in > most || out == 1) return;
    plan.pass = PoolPass::planes;
    plan.scratch_bytes = (in + 2 * out) * kLine;  // elements, values or gradients, argmax
}

// Cuts the planes into bands or groups, and those into jobs. rows: of the output. plane_work: elements
// that one plane reads or writes, in floating point: a window may have more taps than its plane has
// elements.
void cut(PoolPlan& plan, const Pool2dShape& g, int64_t element, int64_t rows, double plane_work,
         int threads) {
    const double unit = plan.pass == PoolPass::planes
                            ? double(kLine / element)
                            : double(plan.band) / double(std::max<int64_t>(1, rows));
    const double work = std::min(double(g.planes) * plane_work, 1e15);
    plan.block = std::max<int64_t>(1, int64_t(double(kJob) / std::max(1.0, plane_work * unit)));
    plan.team = team_for(int64_t(work), kJob, threads);
    plan.long_work = work > double(kLong);
}

int64_t last_row(int64_t out, int64_t stride, int64_t kernel, int64_t dilation) {
    return (out - 1) * stride + (kernel - 1) * dilation;
}

}  // namespace

Pool2dShape pool2d_shape(const char* where, int64_t planes, const int64_t (&size)[2],
                         const Pool2dSettings& s) {
    check(where, "kernel", s.kernel, 1);
    check(where, "stride", s.stride, 1);
    check(where, "padding", s.padding, 0);
    check(where, "dilation", s.dilation, 1);
    if (s.kernel[0] * s.kernel[1] > kMostTaps) {
        throw std::invalid_argument(std::string(where) + ": kernel " + pair(s.kernel) +
                                    " has more than 2^31 - 1 taps");
    }
    int64_t out[2];
    for (int a = 0; a < 2; ++a) {
        const int64_t span = s.dilation[a] * (s.kernel[a] - 1) + 1;
        if (2 * s.padding[a] > span) {
            throw std::invalid_argument(std::string(where) + ": padding is " + pair(s.padding) +
                                        " but must be at most half the window of " +
                                        std::to_string(span) + (a == 0 ? " rows" : " columns"));
        }
        out[a] = count_windows(size[a], span, s.stride[a], s.padding[a], s.ceil_mode);
        if (out[a] < 1) {
            throw std::invalid_argument(std::string(where) + ": input of " +
                                        std::to_string(size[a]) + (a == 0 ? " rows" : " columns") +
                                        " with padding " + std::to_string(s.padding[a]) +
                                        " is smaller than the window of " + std::to_string(span));
        }
    }
    return {planes,        size[0],     size[1],      s.kernel[0],  s.kernel[1],
            s.stride[0],   s.stride[1], s.padding[0], s.padding[1], s.dilation[0],
            s.dilation[1], out[0],      out[1]};
}

PoolPlan plan_pool_forward(const Pool2dShape& g, int64_t element, bool average,
                           int threads) noexcept {
    PoolPlan plan = {};
    // One output column would leave most lanes empty: an average then runs along its window's rows.
    plan.pass = average && (g.sw > 2 || g.Q < 4) ? PoolPass::window : PoolPass::row;
    by_planes(plan, g, element);
    plan.bordered = plan.pass == PoolPass::row &&
                    (g.ph > 0 || g.pw > 0 || last_row(g.P, g.sh, g.kh, g.dh) >= g.H ||
                     last_row(g.Q, g.sw, g.kw, g.dw) >= g.W);
    plan.band = std::max<int64_t>(1, g.P);
    if (plan.bordered) {
        // Full vectors are read from the first column of a short row as well.
        const int64_t lanes = kLine / element;
        const int64_t columns = g.sw <= 2 ? std::max(g.Q, lanes) : g.Q;
        plan.pitch = round_up(std::max(g.pw + g.W, columns * g.sw + (g.kw - 1) * g.dw), lanes);
        const int64_t fit = kBand / (plan.pitch * element) - (g.kh - 1) * g.dh;
        plan.band = std::min(std::max<int64_t>(1, fit / g.sh), plan.band);
        const int64_t rows = last_row(plan.band, g.sh, g.kh, g.dh) + 1;
        plan.scratch_bytes = round_up(rows * plan.pitch * element, kLine);
    }
    // Four taps of a vector cost about what one element from memory does.
    const double taps = double(g.P * g.Q) * double(g.kh * g.kw);
    cut(plan, g, element, g.P, std::max(double(g.H * g.W), taps / 4), threads);
    return plan;
}

PoolPlan plan_pool_backward(const Pool2dShape& g, int64_t element, int threads) noexcept {
    PoolPlan plan = {};
    const int64_t s = g.sw, covers = (g.kh + s - 1) / s * ((g.kw + s - 1) / s);
    const bool gather = s <= 2 && g.sh == s && g.dh == 1 && g.dw == 1 && g.kh >= s && g.kw >= s;
    plan.pass = gather && covers <= kMostCovers ? PoolPass::gather : PoolPass::scatter;
    if (gather && s == 2 && g.kh == 2 && g.kw == 2 && g.ph == 0 && g.pw == 0 && 2 * g.P <= g.H &&
        2 * g.Q <= g.W) {
        plan.pass = PoolPass::pairs;
    }
    by_planes(plan, g, element);
    plan.band = std::max<int64_t>(1, g.H);
    if (plan.pass == PoolPass::gather) {
        const int64_t lanes = kLine / element;
        plan.left = std::max<int64_t>(0, (g.kw - 1 - g.pw + s - 1) / s);
        const int64_t right = (s - 1 + g.pw) / s;
        plan.pitch = round_up(plan.left + round_up((g.W + s - 1) / s, lanes) + right, lanes);
        const int64_t fit = kBand / (2 * plan.pitch * element) - (g.kh - 1) / s - 2;
        plan.band = std::min(std::max<int64_t>(1, fit * s), plan.band);
        const int64_t rows = (plan.band - 1 + g.kh - 1) / s + 2;
        plan.scratch_bytes = 2 * rows * plan.pitch * element;  // gradients, then their argmax
    }
    cut(plan, g, element, g.H, double(std::max(g.H * g.W, g.P * g.Q)), threads);
    return plan;
}

void window_counts(int64_t out, int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                   bool include_pad, double* count) {
    for (int64_t o = 0; o < out; ++o) {
        const int64_t start = o * stride - padding;
        const int64_t end = std::min(start + kernel, size + padding);
        count[o] =
            double(include_pad ? end - start : std::min(end, size) - std::max<int64_t>(start, 0));
    }
}

}  // namespace tinygrad_cv
