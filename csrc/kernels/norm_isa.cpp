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

// The planes of a job's channels: that of image n and channel c, counted from the job's first, begins
// at data[n * image + c * channel].
template <class T>
struct Planes {
    const T* data;
    int64_t image, channel;
};

// Channels c0 .. c1 - 1 of x, copied into scratch one behind the other where the plan says so.
template <class T>
TG_INLINE Planes<T> planes_of(const ChannelShape& g, const NormPlan& plan, int64_t c0, int64_t c1,
                              const T* x, T* scratch) {
    if (plan.pitch == 0) return {x + c0 * g.L, g.C * g.L, g.L};
    for (int64_t n = 0; n < g.N; ++n) {
        for (int64_t c = c0; c < c1; ++c) {
            const T* from = x + (n * g.C + c) * g.L;
            T* to = scratch + n * g.L + (c - c0) * plan.pitch;
            sweep_range<T>(0, g.L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
                store_some(to + i, load_some(from + i, lanes), lanes);
            });
        }
    }
    return {scratch, g.L, plan.pitch};
}

// K sums over channel c of images n0 .. n1 - 1: f(i, lanes, sums) adds elements i .. i + lanes - 1 of
// `from`, lane by lane. Blocks of vectors are added in double.
template <class T, int K, class F>
TG_INLINE void sum_channel(const ChannelShape& g, const Planes<T>& from, int64_t c, int64_t n0,
                           int64_t n1, double (&total)[K], const F& f) {
    constexpr int64_t V = kLanes<T>, kBlock = 256 * V;
    constexpr int kUnroll = 4 / K;
    const bool one_run = from.image == g.L;
    const int64_t length = one_run ? (n1 - n0) * g.L : g.L;
    for (int64_t n = n0; n < (one_run ? n0 + 1 : n1); ++n) {
        const int64_t first = n * from.image + c * from.channel;
        for (int64_t i = 0; i < length;) {
            const int64_t end = length < i + kBlock ? length : i + kBlock;
            Vec<T> sums[kUnroll][K] = {};
            for (; i + kUnroll * V <= end; i += kUnroll * V) {
                TG_UNROLL
                for (int u = 0; u < kUnroll; ++u) f(first + i + u * V, int(V), sums[u]);
            }
            for (; i + V <= end; i += V) f(first + i, int(V), sums[0]);
            if (i < end) f(first + i, int(end - i), sums[1]);
            i = end;
            for (int k = 0; k < K; ++k) {
                Vec<T> sum = sums[0][k] + sums[1][k];
                if constexpr (kUnroll == 4) sum += sums[2][k] + sums[3][k];
                total[k] += double(sum_lanes<T>(sum));
            }
        }
    }
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

// f(first channel, end channel, scratch) for every job.
template <class T, class F>
TG_INLINE void for_channels(const ChannelShape& g, const NormPlan& plan, void* scratch,
                            const F& f) {
    parallel_for_dynamic(
        (g.C + plan.channels - 1) / plan.channels, plan.team, [&](int64_t job, int thread) {
            const int64_t c0 = job * plan.channels;
            char* own = static_cast<char*>(scratch) + thread * plan.scratch_bytes;
            f(c0, c0 + plan.channels < g.C ? c0 + plan.channels : g.C, reinterpret_cast<T*>(own));
        });
}
// f(n, c) for the planes of channels c0 .. c1 - 1; those read last, still in the cache, come first.
template <class F>
TG_INLINE void for_planes_back(const ChannelShape& g, int64_t c0, int64_t c1, const F& f) {
    for (int64_t n = g.N - 1; n >= 0; --n) {
        for (int64_t c = c0; c < c1; ++c) f(n, c);
    }
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

// Mean of channel c, and the sum of squares about it. Both are taken of some images at a time, while
// those are in the cache, and merged.
//   After Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
//   Variances", 1979.
template <class T>
TG_INLINE void moments(const ChannelShape& g, const NormPlan& plan, const Planes<T>& from,
                       int64_t c, double& mean, double& squares) {
    double before = 0;
    mean = squares = 0;
    for (int64_t n0 = 0; n0 < g.N; n0 += plan.images) {
        const int64_t n1 = n0 + plan.images < g.N ? n0 + plan.images : g.N;
        double total[1] = {}, square[1] = {};
        sum_channel<T>(g, from, c, n0, n1, total,
                       [=](int64_t i, int lanes, Vec<T>(&sum)[1])
                           TG_INLINE_LAMBDA { sum[0] += load_some(from.data + i, lanes); });
        const double count = double(n1 - n0) * double(g.L), here = total[0] / count;
        const Vec<T> m = splat(T(here));
        sum_channel<T>(g, from, c, n0, n1, square,
                       [=](int64_t i, int lanes, Vec<T>(&sum)[1]) TG_INLINE_LAMBDA {
                           // Lanes beyond the end must add nothing.
                           const Vec<T> d = load_some(from.data + i, lanes) -
                                            (lanes == kLanes<T> ? m : first_lanes<T>(m, lanes));
                           sum[0] = fma(d, d, sum[0]);
                       });
        const double off = here - mean, all = before + count;
        mean += off * count / all;
        squares += square[0] + off * off * before * count / all;
        before = all;
    }
}

template <class T>
void forward_planes(const ChannelShape& g, const NormPlan& plan, int64_t c0, int64_t c1, const T* x,
                    const T* w, const T* b, T eps, bool relu, T* y, T* mean, T* variance, T* root,
                    T* scratch) noexcept {
    const Planes<T> from = planes_of(g, plan, c0, c1, x, scratch);
    const double count = double(g.N) * double(g.L);
    for (int64_t c = c0; c < c1; ++c) {
        double middle, squares;
        moments(g, plan, from, c - c0, middle, squares);
        mean[c] = T(middle);
        variance[c] = T(squares / count);
        root[c] = T(1.0 / __builtin_sqrt(squares / count + double(eps)));
    }
    for_planes_back(g, c0, c1, [&](int64_t n, int64_t c) {
        const T* plane = from.data + n * from.image + (c - c0) * from.channel;
        T* to = y + (n * g.C + c) * g.L;
        const Vec<T> m = splat(mean[c]), scale = splat(w ? root[c] * w[c] : root[c]);
        const Vec<T> shift = splat(b ? b[c] : T(0));
        sweep_range<T>(0, g.L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
            const Vec<T> value = normalized<T>(load_some(plane + i, lanes), m, scale, shift);
            store_some(to + i, clipped<T>(value, relu), lanes);
        });
    });
}

template <class T>
void forward(const ChannelShape& g, const NormPlan& plan, const T* x, const T* w, const T* b, T eps,
             bool relu, T* y, T* mean, T* variance, T* root, void* scratch) noexcept {
    for_channels<T>(g, plan, scratch, [&](int64_t c0, int64_t c1, T* own) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                forward_features(g, c, lanes, x, w, b, eps, relu, y, mean, variance, root);
            });
        } else {
            forward_planes(g, plan, c0, c1, x, w, b, eps, relu, y, mean, variance, root, own);
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
void backward_planes(const ChannelShape& g, const NormPlan& plan, int64_t c0, int64_t c1,
                     const T* gy, const T* x, const T* w, const T* b, const T* mean, const T* root,
                     T* gx, T* gw, T* gb, T* scratch) noexcept {
    const Planes<T> value = planes_of(g, plan, c0, c1, x, scratch);
    const T* grad = planes_of(g, plan, c0, c1, gy, scratch + plan.channels * plan.pitch).data;
    const double count = double(g.N) * double(g.L);
    for (int64_t c = c0; c < c1; ++c) {  // both sums in one pass
        const Vec<T> m = splat(mean[c]), scale = splat(w ? root[c] * w[c] : root[c]);
        const Vec<T> shift = splat(b ? b[c] : T(0));
        double total[2] = {};
        sum_channel<T>(g, value, c - c0, 0, g.N, total,
                       [=](int64_t i, int lanes, Vec<T>(&sum)[2]) TG_INLINE_LAMBDA {
                           const Vec<T> v = load_some(value.data + i, lanes);
                           const Vec<T> up =
                               let_through<T>(load_some(grad + i, lanes),
                                              normalized<T>(v, m, scale, shift), kRelu);
                           sum[0] += up;  // 0 in lanes beyond the end
                           sum[1] = fma(up, v - m, sum[1]);
                       });
        gb[c] = T(total[0]);
        gw[c] = T(total[1] * double(root[c]));
    }
    for_planes_back(g, c0, c1, [&](int64_t n, int64_t c) {
        const int64_t first = n * value.image + (c - c0) * value.channel;
        T* to = gx + (n * g.C + c) * g.L;
        const Vec<T> m = splat(mean[c]), scale = splat(w ? root[c] * w[c] : root[c]);
        const Vec<T> shift = splat(b ? b[c] : T(0));
        const Vec<T> slope = splat(T(double(gw[c]) * double(root[c]) / count));
        const Vec<T> level = splat(T(double(gb[c]) / count));
        sweep_range<T>(0, g.L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
            const Vec<T> v = load_some(value.data + first + i, lanes);
            const Vec<T> up = let_through<T>(load_some(grad + first + i, lanes),
                                             normalized<T>(v, m, scale, shift), kRelu);
            store_some(to + i, scale * (up - level - (v - m) * slope), lanes);
        });
    });
}

template <class T>
void backward(const ChannelShape& g, const NormPlan& plan, const T* gy, const T* x, const T* w,
              const T* b, const T* mean, const T* root, bool relu, T* gx, T* gw, T* gb,
              void* scratch) noexcept {
    for_channels<T>(g, plan, scratch, [&](int64_t c0, int64_t c1, T* own) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                backward_features(g, c, lanes, gy, x, w, b, mean, root, relu, gx, gw, gb);
            });
        } else if (relu) {
            backward_planes<T, true>(g, plan, c0, c1, gy, x, w, b, mean, root, gx, gw, gb, own);
        } else {
            backward_planes<T, false>(g, plan, c0, c1, gy, x, w, b, mean, root, gx, gw, gb, own);
        }
    });
}

template <class T>
void affine(const ChannelShape& g, const NormPlan& plan, const T* x, const T* scale, const T* shift,
            bool relu, T* y) noexcept {
    for_channels<T>(g, plan, nullptr, [&](int64_t c0, int64_t c1, T*) {
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
        for_planes_back(g, c0, c1, [&](int64_t n, int64_t c) {
            const int64_t from = (n * g.C + c) * g.L;
            const Vec<T> s = splat(scale[c]), t = splat(shift[c]);
            sweep_range<T>(from, from + g.L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
                store_some(y + i, clipped<T>(fma(load_some(x + i, lanes), s, t), relu), lanes);
            });
        });
    });
}

}  // namespace

const NormTable norm = {{forward<float>, backward<float>, affine<float>},
                        {forward<double>, backward<double>, affine<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
