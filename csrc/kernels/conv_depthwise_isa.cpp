// Depthwise convolution: every channel its own kernel (groups == C == K), 3 x 3 or 5 x 5, stride 1
// or 2, no dilation. One multiplication for each value read, so the kernels save loads and stores: rows
// are read where they lie, the phases of a stride split in registers, and only vectors that reach over
// a row's ends are masked; a block of kRows output rows shares the rows that it reads, and the kernel
// stays in registers.
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

// f(plane, zeros) for all planes; zeros: a row of them, of x or of the gradient.
template <class T, class F>
TG_INLINE void for_planes(const ConvPlan& plan, T* scratch, const F& f) {
    const int64_t planes = plan.run.N * plan.run.C;
    parallel_for_dynamic((planes + kPlanes - 1) / kPlanes, plan.team, [&](int64_t job, int thread) {
        T* zeros = scratch + thread * plan.scratch;
        zero_run(zeros, larger(plan.run.W, plan.run.Q));
        for (int64_t i = job * kPlanes; i < smaller(planes, (job + 1) * kPlanes); ++i) f(i, zeros);
    });
}

// Elements [at, at + lanes) of a row of `size`, 0 outside of it and from element `end` of the row on.
template <class T, bool kEdge>
TG_INLINE Vec<T> load_columns(const T* row, int64_t at, int64_t size, int64_t end) {
    if constexpr (!kEdge) return load(row + at);
    const int lo = int(smaller(kLanes<T>, larger(0, -at)));
    const int hi = int(larger(lo, smaller(kLanes<T>, smaller(size, end) - at)));
    return load_range(row + at, lo, hi);
}

// What tap s reads for n outputs of a row: v[s] = elements start + s, start + s + SH, ...
template <class T, int R, int SH, bool kEdge>
TG_INLINE void load_row(const T* row, int64_t start, int64_t size, int n, Vec<T> (&v)[R]) {
    constexpr int L = kLanes<T>;
    TG_UNROLL
    for (int s = 0; s < R; s += SH) {
        const int64_t at = start + s, end = at + SH * n;
        const Vec<T> a = load_columns<T, kEdge>(row, at, size, end);
        if constexpr (SH == 1) {
            v[s] = a;
        } else {
            const Vec<T> b = load_columns<T, kEdge>(row, at + L, size, end);
            v[s] = even_lanes(a, b);
            if (s + 1 < R) v[s + 1] = odd_lanes(a, b);
        }
    }
}

// The rows that B output rows from p on read.
template <class T, int R, int SH, int B>
struct Rows {
    static constexpr int kCount = (B - 1) * SH + R;
    const T* row[kCount];
    Rows(const Conv2dShape& g, const T* plane, const T* zeros, int64_t p) {
        for (int i = 0; i < kCount; ++i) {
            const int64_t h = p * SH - g.ph + i;
            row[i] = h >= 0 && h < g.H ? plane + h * g.W : zeros;
        }
    }
};

// f(q, n, edge) for each vector of a row of outputs: n of them from q on. edge: it is not full, or
// reads over an end of the input's row.
template <class T, int R, int SH, class F>
TG_INLINE void for_vectors(const Conv2dShape& g, const F& f) {
    constexpr int L = kLanes<T>;
    for (int64_t q = 0; q < g.Q; q += L) {
        const int64_t start = q * SH - g.pw, n = smaller(L, g.Q - q);
        f(q, int(n), n < L || start < 0 || start + R - 1 + SH * L > g.W);
    }
}

template <class T, int R, int SH, int B, bool kEdge>
TG_INLINE void forward_vector(const Conv2dShape& g, const Rows<T, R, SH, B>& from,
                              const Vec<T> (&taps)[R * R], T bias, bool relu, int64_t q, int n,
                              T* y) {
    Vec<T> acc[B];
    TG_UNROLL
    for (int b = 0; b < B; ++b) acc[b] = splat(bias);
    TG_UNROLL
    for (int i = 0; i < from.kCount; ++i) {
        Vec<T> v[R];
        load_row<T, R, SH, kEdge>(from.row[i], q * SH - g.pw, g.W, n, v);
        TG_UNROLL
        for (int b = 0; b < B; ++b) {
            const int r = i - b * SH;
            if (r < 0 || r >= R) continue;
            TG_UNROLL
            for (int s = 0; s < R; ++s) acc[b] = fma(v[s], taps[r * R + s], acc[b]);
        }
    }
    const Vec<T> zero = {};
    TG_UNROLL
    for (int b = 0; b < B; ++b) {
        if (relu) acc[b] = acc[b] < zero ? zero : acc[b];  // keeps NaN
        store_some(y + b * g.Q + q, acc[b], n);
    }
}

// B output rows of one plane from row p on.
template <class T, int R, int SH, int B>
TG_INLINE void forward_rows(const Conv2dShape& g, const T* x, const T* zeros, int64_t p,
                            const Vec<T> (&taps)[R * R], T bias, bool relu, T* y) {
    const Rows<T, R, SH, B> from(g, x, zeros, p);
    for_vectors<T, R, SH>(g, [&](int64_t q, int n, bool edge) TG_INLINE_LAMBDA {
        if (edge) {
            forward_vector<T, R, SH, B, true>(g, from, taps, bias, relu, q, n, y + p * g.Q);
        } else {
            forward_vector<T, R, SH, B, false>(g, from, taps, bias, relu, q, n, y + p * g.Q);
        }
    });
}

template <class T, int R, int SH>
void forward_planes(const ConvPlan& plan, const T* x, const T* w, const T* bias, bool relu, T* y,
                    T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    for_planes(plan, scratch, [&](int64_t i, const T* zeros) {
        const int64_t c = i % g.C;
        const T* from = x + i * g.H * g.W;
        T* to = y + i * g.P * g.Q;
        Vec<T> taps[R * R];
        TG_UNROLL
        for (int t = 0; t < R * R; ++t) taps[t] = splat(w[c * R * R + t]);
        const T b = bias ? bias[c] : T(0);
        int64_t p = 0;
        for (; p + kRows <= g.P; p += kRows) {
            forward_rows<T, R, SH, kRows>(g, from, zeros, p, taps, b, relu, to);
        }
        for (; p < g.P; ++p) forward_rows<T, R, SH, 1>(g, from, zeros, p, taps, b, relu, to);
    });
}

// Pairs of elements of row h of gx under stride 2, from pair m on: columns 2m and 2m + 1 of it. What a
// tap reaches is as odd as the tap: with h + ph odd or even (kOdd) rows kOdd, kOdd + 2, ... of the
// kernel, each from its row of the gradient; in a pair, taps s of one parity reach the left element and
// read columns at[s % 2] - s / 2.
template <class T, int R, int kOdd, bool kEdge>
TG_INLINE void gather_pairs(const T* const* row, int64_t size, const Vec<T> (&taps)[R * R],
                            const int64_t (&at)[2], Vec<T> (&pair)[2]) {
    TG_UNROLL
    for (int r = kOdd; r < R; r += 2) {
        TG_UNROLL
        for (int s = 0; s < R; ++s) {
            const Vec<T> v = load_columns<T, kEdge>(row[r / 2], at[s % 2] - s / 2, size, size);
            pair[s % 2] = fma(v, taps[r * R + s], pair[s % 2]);
        }
    }
}
template <class T, int R, int kOdd>
TG_INLINE void gather_row(const Conv2dShape& g, int64_t h, const T* grad, const T* zeros,
                          const Vec<T> (&taps)[R * R], T* gx) {
    constexpr int L = kLanes<T>;
    const T* row[(R + 1) / 2];
    TG_UNROLL
    for (int r = kOdd; r < R; r += 2) {
        const int64_t i = h + g.ph - r;
        row[r / 2] = i >= 0 && i / 2 < g.P ? grad + i / 2 * g.Q : zeros;
    }
    const int64_t left = g.pw / 2, right = (g.pw + 1) / 2;
    for (int64_t m = 0; 2 * m < g.W; m += L) {
        const int64_t at[2] = {m + right, m + left};  // right == left unless pw is odd
        Vec<T> pair[2] = {};
        if (m + left - R / 2 < 0 || m + right + L > g.Q) {
            gather_pairs<T, R, kOdd, true>(row, g.Q, taps, at, pair);
        } else {
            gather_pairs<T, R, kOdd, false>(row, g.Q, taps, at, pair);
        }
        const bool odd = g.pw % 2 == 1;
        const Vec<T> a = odd ? pair[1] : pair[0], b = odd ? pair[0] : pair[1];
        const int64_t n = g.W - 2 * m;
        store_some(gx + 2 * m, zip_low(a, b), int(smaller(L, n)));
        if (n > L) store_some(gx + 2 * m + L, zip_high(a, b), int(smaller(L, n - L)));
    }
}

template <class T, int R>
void gather_planes(const ConvPlan& plan, const T* gy, const T* w, T* gx, T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    for_planes(plan, scratch, [&](int64_t i, const T* zeros) {
        const T* grad = gy + i * g.P * g.Q;
        T* to = gx + i * g.H * g.W;
        Vec<T> taps[R * R];
        TG_UNROLL
        for (int t = 0; t < R * R; ++t) taps[t] = splat(w[i % g.C * R * R + t]);
        for (int64_t h = 0; h < g.H; ++h, to += g.W) {
            if ((h + g.ph) % 2) {
                gather_row<T, R, 1>(g, h, grad, zeros, taps, to);
            } else {
                gather_row<T, R, 0>(g, h, grad, zeros, taps, to);
            }
        }
    });
}

// sums[r * R + s] += products of B gradient rows with the inputs that they read.
template <class T, int R, int SH, int B, bool kEdge>
TG_INLINE void weight_vector(const Conv2dShape& g, const Rows<T, R, SH, B>& from, const T* gy,
                             int64_t q, int n, Vec<T> (&sums)[R * R]) {
    Vec<T> grad[B];
    TG_UNROLL
    for (int b = 0; b < B; ++b) grad[b] = load_some(gy + b * g.Q + q, n);
    TG_UNROLL
    for (int i = 0; i < from.kCount; ++i) {
        Vec<T> v[R];
        load_row<T, R, SH, kEdge>(from.row[i], q * SH - g.pw, g.W, n, v);
        TG_UNROLL
        for (int b = 0; b < B; ++b) {
            const int r = i - b * SH;
            if (r < 0 || r >= R) continue;
            TG_UNROLL
            for (int s = 0; s < R; ++s) sums[r * R + s] = fma(v[s], grad[b], sums[r * R + s]);
        }
    }
}
template <class T, int R, int SH, int B>
TG_INLINE void weight_rows(const Conv2dShape& g, const T* x, const T* zeros, int64_t p, const T* gy,
                           Vec<T> (&sums)[R * R]) {
    const Rows<T, R, SH, B> from(g, x, zeros, p);
    for_vectors<T, R, SH>(g, [&](int64_t q, int n, bool edge) TG_INLINE_LAMBDA {
        if (edge) {
            weight_vector<T, R, SH, B, true>(g, from, gy + p * g.Q, q, n, sums);
        } else {
            weight_vector<T, R, SH, B, false>(g, from, gy + p * g.Q, q, n, sums);
        }
    });
}

// partial[n][c][r][s]
template <class T, int R, int SH>
void weight_planes(const ConvPlan& plan, const T* x, const T* gy, T* partial, T* scratch) noexcept {
    const Conv2dShape& g = plan.run;
    for_planes(plan, scratch, [&](int64_t i, const T* zeros) {
        const T *from = x + i * g.H * g.W, *grad = gy + i * g.P * g.Q;
        Vec<T> sums[R * R] = {};
        int64_t p = 0;
        for (; p + kRows <= g.P; p += kRows) {
            weight_rows<T, R, SH, kRows>(g, from, zeros, p, grad, sums);
        }
        for (; p < g.P; ++p) weight_rows<T, R, SH, 1>(g, from, zeros, p, grad, sums);
        TG_UNROLL
        for (int t = 0; t < R * R; ++t) partial[i * R * R + t] = sum_lanes<T>(sums[t]);
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
