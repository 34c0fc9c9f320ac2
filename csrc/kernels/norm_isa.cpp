// Normalisation of channels, compiled per instruction set. Contract: kernels/norm.h.
#include "kernels/norm.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

template <class T>
TG_INLINE Vec<T> clipped(Vec<T> y, bool relu) {
    return relu ? (y < T(0) ? Vec<T>{} : y) : y;
}
// The forward value before relu: the same operations wherever it is computed, so the same bits.
template <class T>
TG_INLINE Vec<T> normalized(Vec<T> x, Vec<T> mean, Vec<T> scale, Vec<T> shift) {
    return fma(x - mean, scale, shift);
}
template <class T>
TG_INLINE Vec<T> let_through(Vec<T> gy, Vec<T> y, bool relu) {
    return relu ? (y <= T(0) ? Vec<T>{} : gy) : gy;
}

// f(i, lanes) over channel c of all images, or over channels c .. c + lanes - 1 where L is 1.
template <class T, class F>
TG_INLINE void over_channel(const ChannelShape& g, int64_t c, const F& f) {
    for (int64_t n = 0; n < g.N; ++n) {
        const int64_t at = (n * g.C + c) * g.L;
        sweep_range<T>(at, at + g.L, f);
    }
}
template <class T, class F>
TG_INLINE void over_channel_back(const ChannelShape& g, int64_t c, const F& f) {
    for (int64_t n = g.N - 1; n >= 0; --n) {  // what was read last is still in the cache
        const int64_t at = (n * g.C + c) * g.L;
        sweep_range<T>(at, at + g.L, f);
    }
}

// Sum of f over channel c: vectors within a plane, planes in double.
template <class T, class F>
TG_INLINE double sum_channel(const ChannelShape& g, int64_t c, const F& f) {
    constexpr int64_t V = kLanes<T>;
    double total = 0;
    for (int64_t n = 0; n < g.N; ++n) {
        const int64_t at = (n * g.C + c) * g.L;
        Vec<T> sum[4] = {};
        int64_t i = 0;
        for (; i + 4 * V <= g.L; i += 4 * V) {
            TG_UNROLL
            for (int k = 0; k < 4; ++k) sum[k] += f(at + i + k * V, int(V));
        }
        for (; i + V <= g.L; i += V) sum[0] += f(at + i, int(V));
        if (i < g.L) sum[1] += f(at + i, int(g.L - i));
        total += double(sum_lanes<T>((sum[0] + sum[1]) + (sum[2] + sum[3])));
    }
    return total;
}
// Sum of f(n) over all images, lanes over channels; sums of 64, then the sum of those.
template <class T, class F>
TG_INLINE Vec<T> sum_images(int64_t N, const F& f) {
    Vec<T> total = {};
    for (int64_t n = 0; n < N;) {
        Vec<T> sum = {};
        const int64_t end = n + 64 < N ? n + 64 : N;
        for (; n < end; ++n) sum += f(n);
        total += sum;
    }
    return total;
}

template <class F>
TG_INLINE void for_channels(const ChannelShape& g, const NormPlan& plan, const F& f) {
    parallel_for((g.C + plan.channels - 1) / plan.channels, plan.team, [&](int64_t job) {
        const int64_t c0 = job * plan.channels;
        f(c0, c0 + plan.channels < g.C ? c0 + plan.channels : g.C);
    });
}

template <class T>
TG_INLINE Vec<T> or_else(const T* p, int64_t c, int lanes, T otherwise) {
    return p ? load_some(p + c, lanes) : splat(otherwise);
}

template <class T>
void forward_features(const ChannelShape& g, int64_t c, int lanes, const T* x, const T* w,
                      const T* b, T eps, bool relu, T* y, T* mean, T* variance, T* root) noexcept {
    const Vec<T> count = splat(T(g.N));
    const Vec<T> m =
        sum_images<T>(
            g.N, [&](int64_t n) TG_INLINE_LAMBDA { return load_some(x + n * g.C + c, lanes); }) /
        count;
    const Vec<T> v = sum_images<T>(g.N,
                                   [&](int64_t n) TG_INLINE_LAMBDA {
                                       const Vec<T> d = load_some(x + n * g.C + c, lanes) - m;
                                       return d * d;
                                   }) /
                     count;
    const Vec<T> r = T(1) / sqrt_lanes(v + eps);
    const Vec<T> scale = r * or_else(w, c, lanes, T(1)), shift = or_else(b, c, lanes, T(0));
    for (int64_t n = g.N - 1; n >= 0; --n) {
        const Vec<T> value = normalized<T>(load_some(x + n * g.C + c, lanes), m, scale, shift);
        store_some(y + n * g.C + c, clipped<T>(value, relu), lanes);
    }
    store_some(mean + c, m, lanes);
    store_some(variance + c, v, lanes);
    store_some(root + c, r, lanes);
}

template <class T>
void forward_channel(const ChannelShape& g, int64_t c, const T* x, const T* w, const T* b, T eps,
                     bool relu, T* y, T* mean, T* variance, T* root) noexcept {
    const double count = double(g.N) * double(g.L);
    const double total = sum_channel<T>(
        g, c, [=](int64_t i, int lanes) TG_INLINE_LAMBDA { return load_some(x + i, lanes); });
    mean[c] = T(total / count);
    const Vec<T> m = splat(mean[c]);
    const double squares = sum_channel<T>(g, c, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        // Lanes beyond the plane's end must add nothing.
        const Vec<T> d =
            load_some(x + i, lanes) - (lanes == kLanes<T> ? m : first_lanes<T>(m, lanes));
        return d * d;
    });
    variance[c] = T(squares / count);
    root[c] = T(1.0 / __builtin_sqrt(squares / count + double(eps)));
    const Vec<T> scale = splat(w ? root[c] * w[c] : root[c]), shift = splat(b ? b[c] : T(0));
    over_channel_back<T>(g, c, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> value = normalized<T>(load_some(x + i, lanes), m, scale, shift);
        store_some(y + i, clipped<T>(value, relu), lanes);
    });
}

template <class T>
void forward(const ChannelShape& g, const NormPlan& plan, const T* x, const T* w, const T* b, T eps,
             bool relu, T* y, T* mean, T* variance, T* root) noexcept {
    for_channels(g, plan, [&](int64_t c0, int64_t c1) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                forward_features(g, c, lanes, x, w, b, eps, relu, y, mean, variance, root);
            });
        } else {
            for (int64_t c = c0; c < c1; ++c) {
                forward_channel(g, c, x, w, b, eps, relu, y, mean, variance, root);
            }
        }
    });
}

template <class T>
void backward_features(const ChannelShape& g, int64_t c, int lanes, const T* gy, const T* x,
                       const T* w, const T* b, const T* mean, const T* root, bool relu, T* gx,
                       T* gw, T* gb) noexcept {
    const Vec<T> m = load_some(mean + c, lanes), r = load_some(root + c, lanes);
    const Vec<T> scale = r * or_else(w, c, lanes, T(1)), shift = or_else(b, c, lanes, T(0));
    const auto upstream = [&](int64_t n, Vec<T> value) TG_INLINE_LAMBDA {
        return let_through<T>(load_some(gy + n * g.C + c, lanes),
                              normalized<T>(value, m, scale, shift), relu);
    };
    const Vec<T> total = sum_images<T>(g.N, [&](int64_t n) TG_INLINE_LAMBDA {
        return upstream(n, load_some(x + n * g.C + c, lanes));
    });
    const Vec<T> along = sum_images<T>(g.N, [&](int64_t n) TG_INLINE_LAMBDA {
        const Vec<T> value = load_some(x + n * g.C + c, lanes);
        return upstream(n, value) * (value - m);
    });
    const Vec<T> share = T(1) / splat(T(g.N));
    const Vec<T> slope = along * r * r * share, level = total * share;
    for (int64_t n = g.N - 1; n >= 0; --n) {
        const Vec<T> value = load_some(x + n * g.C + c, lanes);
        const Vec<T> part = upstream(n, value) - level - (value - m) * slope;
        store_some(gx + n * g.C + c, scale * part, lanes);
    }
    store_some(gw + c, along * r, lanes);
    store_some(gb + c, total, lanes);
}

template <class T, bool kRelu>
void backward_channel(const ChannelShape& g, int64_t c, const T* gy, const T* x, const T* w,
                      const T* b, const T* mean, const T* root, T* gx, T* gw, T* gb) noexcept {
    const double count = double(g.N) * double(g.L), r = double(root[c]);
    const T factor = w ? root[c] * w[c] : root[c];
    const Vec<T> m = splat(mean[c]), scale = splat(factor), shift = splat(b ? b[c] : T(0));
    const auto upstream = [=](int64_t i, int lanes, Vec<T> value) TG_INLINE_LAMBDA {
        return let_through<T>(load_some(gy + i, lanes), normalized<T>(value, m, scale, shift),
                              kRelu);
    };
    // Both sums in one pass over x and gy.
    constexpr int64_t V = kLanes<T>;
    double total = 0, along = 0;
    for (int64_t n = 0; n < g.N; ++n) {
        const int64_t at = (n * g.C + c) * g.L;
        Vec<T> sum[2] = {}, product[2] = {};
        const auto add = [&](int64_t i, int lanes, int k) TG_INLINE_LAMBDA {
            const Vec<T> value = load_some(x + i, lanes), up = upstream(i, lanes, value);
            sum[k] += up;  // 0 in lanes beyond the plane's end
            product[k] = fma(up, value - m, product[k]);
        };
        int64_t i = 0;
        for (; i + 2 * V <= g.L; i += 2 * V) {
            add(at + i, int(V), 0);
            add(at + i + V, int(V), 1);
        }
        for (; i + V <= g.L; i += V) add(at + i, int(V), 0);
        if (i < g.L) add(at + i, int(g.L - i), 1);
        total += double(sum_lanes<T>(sum[0] + sum[1]));
        along += double(sum_lanes<T>(product[0] + product[1]));
    }
    gb[c] = T(total);
    gw[c] = T(along * r);
    const Vec<T> slope = splat(T(along * r * r / count)), level = splat(T(total / count));
    over_channel_back<T>(g, c, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> value = load_some(x + i, lanes);
        const Vec<T> part = upstream(i, lanes, value) - level - (value - m) * slope;
        store_some(gx + i, scale * part, lanes);
    });
}

template <class T>
void backward(const ChannelShape& g, const NormPlan& plan, const T* gy, const T* x, const T* w,
              const T* b, const T* mean, const T* root, bool relu, T* gx, T* gw, T* gb) noexcept {
    for_channels(g, plan, [&](int64_t c0, int64_t c1) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                backward_features(g, c, lanes, gy, x, w, b, mean, root, relu, gx, gw, gb);
            });
            return;
        }
        for (int64_t c = c0; c < c1; ++c) {
            if (relu) {
                backward_channel<T, true>(g, c, gy, x, w, b, mean, root, gx, gw, gb);
            } else {
                backward_channel<T, false>(g, c, gy, x, w, b, mean, root, gx, gw, gb);
            }
        }
    });
}

template <class T>
void affine(const ChannelShape& g, const NormPlan& plan, const T* x, const T* scale, const T* shift,
            bool relu, T* y) noexcept {
    for_channels(g, plan, [&](int64_t c0, int64_t c1) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                const Vec<T> s = load_some(scale + c, lanes), t = load_some(shift + c, lanes);
                for (int64_t n = 0; n < g.N; ++n) {
                    const Vec<T> value = fma(load_some(x + n * g.C + c, lanes), s, t);
                    store_some(y + n * g.C + c, clipped<T>(value, relu), lanes);
                }
            });
            return;
        }
        for (int64_t c = c0; c < c1; ++c) {
            const Vec<T> s = splat(scale[c]), t = splat(shift[c]);
            over_channel<T>(g, c, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
                store_some(y + i, clipped<T>(fma(load_some(x + i, lanes), s, t), relu), lanes);
            });
        }
    });
}

}  // namespace

const NormTable norm = {{forward<float>, backward<float>, affine<float>},
                        {forward<double>, backward<double>, affine<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
