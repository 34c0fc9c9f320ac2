// Depthwise convolution: every channel its own kernel (groups == C == K), 3 x 3 or 5 x 5, stride 1
// or 2, no dilation. One multiplication for each value read, so the kernels save loads: a block of
// kRows output rows shares the rows that it reads, and the kernel stays in registers.
//   forward:          R * S FMA and (kRows - 1 + R) * S / kRows loads a vector (3 x 3: 9 and 4.5).
//   backward_input:   stride 2; each phase of gx gathers the taps that reach it (stride 1 is the
//                     forward pass of the flipped kernel).
//   backward_weight:  R * S sums in registers over a whole plane; one partial sum for each plane.
#include "kernels/conv_lines.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

constexpr int kRows = 4;        // with 9 taps and 4 sums: 14 of 16 registers
constexpr int64_t kPlanes = 4;  // planes of a job

// A row of y: v with bias added and relu, n lanes.
template <class T>
TG_INLINE void finish(Vec<T> v, bool relu, int n, T* y) {
    const Vec<T> zero = {};
    if (relu) v = v < zero ? zero : v;
    if (n == kLanes<T>) {
        store(y, v);
    } else {
        store_n(y, v, n);
    }
}

// `rows` <= B output rows of one plane from the padded rows at `lines`.
template <class T, int R, int SH, int B>
TG_INLINE void forward_rows(const ConvPlan& plan, const T* lines, const T* w, T bias, bool relu,
                            T* y) {
    constexpr int L = kLanes<T>;
    const int64_t row = plan.row, phase = plan.phase, Q = plan.run.Q;
    Vec<T> taps[R * R];
    TG_UNROLL
    for (int t = 0; t < R * R; ++t) taps[t] = splat(w[t]);
    for (int64_t q = 0; q < Q; q += L) {
        Vec<T> acc[B];
        TG_UNROLL
        for (int b = 0; b < B; ++b) acc[b] = splat(bias);
        TG_UNROLL
        for (int i = 0; i < (B - 1) * SH + R; ++i) {
            TG_UNROLL
            for (int s = 0; s < R; ++s) {
                const Vec<T> v = load(lines + i * row + s % SH * phase + s / SH + q);
                TG_UNROLL
                for (int b = 0; b < B; ++b) {
                    const int r = i - b * SH;
                    if (r >= 0 && r < R) acc[b] = fma(v, taps[r * R + s], acc[b]);
                }
            }
        }
        const int n = int(smaller(L, Q - q));
        TG_UNROLL
        for (int b = 0; b < B; ++b) finish<T>(acc[b], relu, n, y + b * Q + q);
    }
}

template <class T, int R, int SH>
void forward_planes(const ConvPlan& plan, const T* x, const T* w, const T* bias, bool relu, T* y,
                    T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    const int64_t planes = g.N * g.C;
    parallel_for_dynamic((planes + kPlanes - 1) / kPlanes, plan.team, [&](int64_t job, int thread) {
        T* lines = scratch + thread * plan.scratch;
        for (int64_t i = job * kPlanes; i < smaller(planes, (job + 1) * kPlanes); ++i) {
            const int64_t c = i % g.C;
            const T b = bias ? bias[c] : T(0);
            for (int64_t p0 = 0; p0 < g.P; p0 += plan.rows) {
                const int64_t p1 = smaller(g.P, p0 + plan.rows);
                fill_rows(plan, x + i * g.H * g.W, p0, p1, lines);
                const T* from = lines;
                T* to = y + (i * g.P + p0) * g.Q;
                int64_t left = p1 - p0;
                for (; left >= kRows; left -= kRows) {
                    forward_rows<T, R, SH, kRows>(plan, from, w + c * R * R, b, relu, to);
                    from += kRows * SH * plan.row;
                    to += kRows * g.Q;
                }
                for (; left > 0; --left) {
                    forward_rows<T, R, SH, 1>(plan, from, w + c * R * R, b, relu, to);
                    from += SH * plan.row;
                    to += g.Q;
                }
            }
        }
    });
}

// gx of one plane under stride 2. Padded row i, phase f gathers tap (r, s) from gradient row
// (i - r) / 2 and column j - s / 2, where r and s are as odd as i and f. `grad` holds the gradient's
// rows between zeros, R / 2 in front. `line`: a row of gx with its padding.
template <class T, int R>
void gather_plane(const ConvPlan& plan, const T* grad, int64_t grad_row, const T* w, T* line,
                  T* gx) noexcept {
    constexpr int L = kLanes<T>;
    const Conv2dShape& g = plan.run;
    for (int64_t h = 0; h < g.H; ++h, gx += g.W) {
        const int64_t i = h + g.ph;
        for (int64_t j = 0; 2 * j < g.W + g.pw; j += L) {
            Vec<T> even = {}, odd = {};
            for (int64_t r = i % 2; r < R; r += 2) {
                const int64_t p = (i - r) / 2;
                if (r > i || p >= g.P) continue;
                const T* row = grad + p * grad_row + R / 2 + j;
                TG_UNROLL
                for (int s = 0; s < R; s += 2) {
                    even = fma(load(row - s / 2), splat(w[r * R + s]), even);
                }
                TG_UNROLL
                for (int s = 1; s < R; s += 2) {
                    odd = fma(load(row - s / 2), splat(w[r * R + s]), odd);
                }
            }
            store(line + 2 * j, zip_low(even, odd));
            store(line + 2 * j + L, zip_high(even, odd));
        }
        copy_run(gx, line + g.pw, g.W);
    }
}

template <class T, int R>
void gather_planes(const ConvPlan& plan, const T* gy, const T* w, T* gx, T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    const int64_t planes = g.N * g.C, pad = R / 2, row = plan.row;
    parallel_for_dynamic((planes + kPlanes - 1) / kPlanes, plan.team, [&](int64_t job, int thread) {
        T* grad = scratch + thread * plan.scratch;
        T* line = grad + g.P * row;
        for (int64_t i = job * kPlanes; i < smaller(planes, (job + 1) * kPlanes); ++i) {
            for (int64_t p = 0; p < g.P; ++p) {
                T* to = grad + p * row;
                zero_run(to, pad);
                copy_run(to + pad, gy + (i * g.P + p) * g.Q, g.Q);
                zero_run(to + pad + g.Q, row - pad - g.Q);
            }
            gather_plane<T, R>(plan, grad, row, w + i % g.C * R * R, line, gx + i * g.H * g.W);
        }
    });
}

// sums[r * R + s] += products of B gradient rows with the inputs that they read.
template <class T, int R, int SH, int B>
TG_INLINE void weight_rows(const ConvPlan& plan, const T* lines, const T* gy,
                           Vec<T> (&sums)[R * R]) {
    constexpr int L = kLanes<T>;
    const int64_t row = plan.row, phase = plan.phase, Q = plan.run.Q;
    for (int64_t q = 0; q < Q; q += L) {
        const int n = int(smaller(L, Q - q));
        Vec<T> grad[B];
        TG_UNROLL
        for (int b = 0; b < B; ++b) {
            grad[b] = n == L ? load(gy + b * Q + q) : load_n(gy + b * Q + q, n);
        }
        TG_UNROLL
        for (int i = 0; i < (B - 1) * SH + R; ++i) {
            TG_UNROLL
            for (int s = 0; s < R; ++s) {
                const T* at = lines + i * row + s % SH * phase + s / SH + q;
                const Vec<T> v = n == L ? load(at) : load_n(at, n);  // 0 * infinity is not 0
                TG_UNROLL
                for (int b = 0; b < B; ++b) {
                    const int r = i - b * SH;
                    if (r >= 0 && r < R) sums[r * R + s] = fma(v, grad[b], sums[r * R + s]);
                }
            }
        }
    }
}

// partial[n][c][r][s]
template <class T, int R, int SH>
void weight_planes(const ConvPlan& plan, const T* x, const T* gy, T* partial, T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    const int64_t planes = g.N * g.C;
    parallel_for_dynamic((planes + kPlanes - 1) / kPlanes, plan.team, [&](int64_t job, int thread) {
        T* lines = scratch + thread * plan.scratch;
        for (int64_t i = job * kPlanes; i < smaller(planes, (job + 1) * kPlanes); ++i) {
            Vec<T> sums[R * R] = {};
            for (int64_t p0 = 0; p0 < g.P; p0 += plan.rows) {
                const int64_t p1 = smaller(g.P, p0 + plan.rows);
                fill_rows(plan, x + i * g.H * g.W, p0, p1, lines);
                const T* from = lines;
                const T* grad = gy + (i * g.P + p0) * g.Q;
                int64_t left = p1 - p0;
                for (; left >= kRows; left -= kRows) {
                    weight_rows<T, R, SH, kRows>(plan, from, grad, sums);
                    from += kRows * SH * plan.row;
                    grad += kRows * g.Q;
                }
                for (; left > 0; --left) {
                    weight_rows<T, R, SH, 1>(plan, from, grad, sums);
                    from += SH * plan.row;
                    grad += g.Q;
                }
            }
            TG_UNROLL
            for (int t = 0; t < R * R; ++t) partial[i * R * R + t] = sum_lanes<T>(sums[t]);
        }
    });
}

template <class T>
void forward(const ConvPlan& plan, const T* x, const T* w, const T* bias, bool relu, T* y,
             T* scratch) noexcept {
    const bool three = plan.run.R == 3, one = plan.run.sh == 1;
    const auto planes = three ? (one ? forward_planes<T, 3, 1> : forward_planes<T, 3, 2>)
                              : (one ? forward_planes<T, 5, 1> : forward_planes<T, 5, 2>);
    planes(plan, x, w, bias, relu, y, scratch);
}
template <class T>
void backward_input(const ConvPlan& plan, const T* gy, const T* w, T* gx, T* scratch) noexcept {
    (plan.run.R == 3 ? gather_planes<T, 3> : gather_planes<T, 5>)(plan, gy, w, gx, scratch);
}
template <class T>
void backward_weight(const ConvPlan& plan, const T* x, const T* gy, T* partial,
                     T* scratch) noexcept {
    const bool three = plan.run.R == 3, one = plan.run.sh == 1;
    const auto planes = three ? (one ? weight_planes<T, 3, 1> : weight_planes<T, 3, 2>)
                              : (one ? weight_planes<T, 5, 1> : weight_planes<T, 5, 2>);
    planes(plan, x, gy, partial, scratch);
}

}  // namespace

const ConvDepthwiseKernels<float> conv_depthwise_f32 = {forward<float>, backward_input<float>,
                                                        backward_weight<float>};
const ConvDepthwiseKernels<double> conv_depthwise_f64 = {forward<double>, backward_input<double>,
                                                         backward_weight<double>};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
