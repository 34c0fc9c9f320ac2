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

// What maps the values of one channel.
template <class T>
struct Line {
    Vec<T> mean, scale, shift;
};
template <class T>
TG_INLINE Line<T> line_of(int64_t c, const T* w, const T* b, const T* mean, const T* root) {
    return {splat(mean[c]), splat(w ? root[c] * w[c] : root[c]), splat(b ? b[c] : T(0))};
}

template <class T>
TG_INLINE void write_plane(int64_t L, const Line<T>& line, const T* x, bool relu, T* y) {
    sweep_range<T>(0, L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> value =
            normalized<T>(load_some(x + i, lanes), line.mean, line.scale, line.shift);
        store_some(y + i, clipped<T>(value, relu), lanes);
    });
}
template <class T, bool kRelu>
TG_INLINE void write_gradient(int64_t L, const Line<T>& line, Vec<T> level, Vec<T> slope,
                              const T* gy, const T* x, T* gx) {
    sweep_range<T>(0, L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> v = load_some(x + i, lanes);
        const Vec<T> up = let_through<T>(
            load_some(gy + i, lanes), normalized<T>(v, line.mean, line.scale, line.shift), kRelu);
        store_some(gx + i, line.scale * (up - level - (v - line.mean) * slope), lanes);
    });
}

// What the sums below add of elements i .. i + lanes - 1; lanes beyond the end add nothing.
template <class T>
TG_INLINE void add_square(const T* x, int64_t i, int lanes, Vec<T> mean, Vec<T>& sum) {
    const Vec<T> d =
        load_some(x + i, lanes) - (lanes == kLanes<T> ? mean : first_lanes<T>(mean, lanes));
    sum = fma(d, d, sum);
}
template <class T, bool kRelu>
TG_INLINE void add_gradient(const T* gy, const T* x, int64_t i, int lanes, const Line<T>& line,
                            Vec<T> (&sum)[2]) {
    const Vec<T> v = load_some(x + i, lanes);
    const Vec<T> up = let_through<T>(load_some(gy + i, lanes),
                                     normalized<T>(v, line.mean, line.scale, line.shift), kRelu);
    sum[0] += up;
    sum[1] = fma(up, v - line.mean, sum[1]);
}

// K sums over a run of elements, lane by lane: f(i, lanes, sums) adds elements i .. i + lanes - 1.
template <class T, int K, class F>
TG_INLINE void sum_run(int64_t from, int64_t to, Vec<T> (&total)[K], const F& f) {
    constexpr int64_t V = kLanes<T>;
    constexpr int kUnroll = 4 / K;
    Vec<T> sums[kUnroll][K] = {};
    int64_t i = from;
    for (; i + kUnroll * V <= to; i += kUnroll * V) {
        TG_UNROLL
        for (int u = 0; u < kUnroll; ++u) f(i + u * V, int(V), sums[u]);
    }
    for (; i + V <= to; i += V) f(i, int(V), sums[0]);
    if (i < to) f(i, int(to - i), sums[1]);
    for (int k = 0; k < K; ++k) {
        total[k] = sums[0][k] + sums[1][k];
        if constexpr (kUnroll == 4) total[k] += sums[2][k] + sums[3][k];
    }
}

// K sums over channel c of images n0 .. n1 - 1, as sum_run; runs of 256 vectors are added in double.
template <class T, int K, class F>
TG_INLINE void sum_channel(const ChannelShape& g, int64_t c, int64_t n0, int64_t n1,
                           double (&total)[K], const F& f) {
    constexpr int64_t kBlock = 256 * kLanes<T>;
    for (int64_t n = n0; n < n1; ++n) {
        const int64_t first = (n * g.C + c) * g.L, last = first + g.L;
        for (int64_t i = first; i < last; i += kBlock) {
            Vec<T> sums[K];
            sum_run<T>(i, i + kBlock < last ? i + kBlock : last, sums, f);
            for (int k = 0; k < K; ++k) total[k] += double(sum_lanes<T>(sums[k]));
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

// f(first channel, end channel) for every job.
template <class F>
TG_INLINE void for_channels(const ChannelShape& g, const NormPlan& plan, const F& f) {
    parallel_for_dynamic((g.C + plan.channels - 1) / plan.channels, plan.team,
                         [&](int64_t job, int) {
                             const int64_t c0 = job * plan.channels;
                             f(c0, c0 + plan.channels < g.C ? c0 + plan.channels : g.C);
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
TG_INLINE void moments(const ChannelShape& g, const NormPlan& plan, const T* x, int64_t c,
                       double& mean, double& squares) {
    double before = 0;
    mean = squares = 0;
    for (int64_t n0 = 0; n0 < g.N; n0 += plan.images) {
        const int64_t n1 = n0 + plan.images < g.N ? n0 + plan.images : g.N;
        double total[1] = {}, square[1] = {};
        sum_channel<T>(g, c, n0, n1, total,
                       [=](int64_t i, int lanes, Vec<T>(&sum)[1])
                           TG_INLINE_LAMBDA { sum[0] += load_some(x + i, lanes); });
        const double count = double(n1 - n0) * double(g.L), here = total[0] / count;
        const Vec<T> m = splat(T(here));
        sum_channel<T>(g, c, n0, n1, square,
                       [=](int64_t i, int lanes, Vec<T>(&sum)[1])
                           TG_INLINE_LAMBDA { add_square<T>(x, i, lanes, m, sum[0]); });
        const double off = here - mean, all = before + count;
        mean += off * count / all;
        squares += square[0] + off * off * before * count / all;
        before = all;
    }
}

template <class T>
void forward_channels(const ChannelShape& g, const NormPlan& plan, int64_t c0, int64_t c1,
                      const T* x, const T* w, const T* b, T eps, bool relu, T* y, T* mean,
                      T* variance, T* root) noexcept {
    const double count = double(g.N) * double(g.L);
    for (int64_t c = c0; c < c1; ++c) {
        double middle, squares;
        moments(g, plan, x, c, middle, squares);
        mean[c] = T(middle);
        variance[c] = T(squares / count);
        root[c] = T(1.0 / __builtin_sqrt(squares / count + double(eps)));
    }
    for_planes_back(g, c0, c1, [&](int64_t n, int64_t c) {
        const int64_t first = (n * g.C + c) * g.L;
        write_plane<T>(g.L, line_of(c, w, b, mean, root), x + first, relu, y + first);
    });
}

// f(p, c, planes) for runs of at most `most` planes, of which p, of channel c, is the first. Back: jobs
// last to first, since what was read last is still in a cache.
template <class F>
TG_INLINE void for_runs(const ChannelShape& g, const NormPlan& plan, int most, bool back,
                        const F& f) {
    const int64_t total = g.N * g.C, jobs = (total + plan.planes - 1) / plan.planes;
    parallel_for_dynamic(jobs, plan.team, [&](int64_t job, int) {
        const int64_t first = (back ? jobs - 1 - job : job) * plan.planes;
        const int64_t end = first + plan.planes < total ? first + plan.planes : total;
        int64_t c = first % g.C;
        for (int64_t p = first; p < end; p += most) {
            f(p, c, int(end - p < most ? end - p : most));
            for (c += most; c >= g.C;) c -= g.C;
        }
    });
}
// Planes whose sums are taken together, `arrays` of which stay in half of the smallest L1.
template <class T>
TG_INLINE int group_of(int64_t L, int arrays) {
    const int64_t fit = (int64_t(16) << 10) / (L * arrays * int64_t(sizeof(T)));
    return fit < 1 ? 1 : fit < kLanes<T> ? int(fit) : kLanes<T>;
}

// The same for less than four vectors, where the four sums above would cost more than the elements:
// forward of planes of 4 x 4 takes a fifth less.
template <class T, int K, class F>
TG_INLINE void sum_short(int64_t L, Vec<T> (&total)[K], const F& f) {
    Vec<T> sums[K] = {};
    int64_t i = 0;
    for (; i + kLanes<T> <= L; i += kLanes<T>) f(i, kLanes<T>, sums);
    if (i < L) f(i, int(L - i), sums);
    for (int k = 0; k < K; ++k) total[k] = sums[k];
}
// K sums over each of some planes, in lane j those of plane j: of(j) is sum_run's f for that plane.
// Sums over lanes taken plane by plane wait for one another: a call takes 1.5 times as long for planes
// of 8 x 8 (Zen 3).
template <class T, int K, class Of>
TG_INLINE void sum_planes(int64_t L, int planes, Vec<T> (&total)[K], const Of& of) {
    Vec<T> each[kLanes<T>][K];
    if (L < 4 * kLanes<T>) {
        for (int j = 0; j < planes; ++j) sum_short<T>(L, each[j], of(j));
    } else {
        for (int j = 0; j < planes; ++j) sum_run<T>(0, L, each[j], of(j));
    }
    for (int j = planes; j < kLanes<T>; ++j) {
        for (int k = 0; k < K; ++k) each[j][k] = Vec<T>{};
    }
    for (int k = 0; k < K; ++k) {
        Vec<T> v[kLanes<T>];
        TG_UNROLL
        for (int j = 0; j < kLanes<T>; ++j) v[j] = each[j][k];
        TG_UNROLL
        for (int half = kLanes<T> / 2; half > 0; half /= 2) {
            TG_UNROLL
            for (int j = 0; j < half; ++j) {
                v[j] = zip_low(v[j], v[j + half]) + zip_high(v[j], v[j + half]);
            }
        }
        total[k] = v[0];
    }
}

constexpr int64_t kMerged = 64;  // channels whose sums are added at a time
// f(first channel, channels) for blocks of channels.
template <class F>
TG_INLINE void for_merged(const ChannelShape& g, const NormPlan& plan, const F& f) {
    parallel_for((g.C + kMerged - 1) / kMerged, plan.merge_team, [&](int64_t job) {
        const int64_t c0 = job * kMerged;
        f(c0, g.C - c0 < kMerged ? g.C - c0 : kMerged);
    });
}

// Means and squares about them of all planes, then of the channels, then y: x is read in the order
// of memory twice. Scratch: two numbers a plane.
template <class T>
void forward_planes(const ChannelShape& g, const NormPlan& plan, const T* x, const T* w, const T* b,
                    T eps, bool relu, T* y, T* mean, T* variance, T* root, T* sums) noexcept {
    T* const squares = sums + g.N * g.C;
    const double length = double(g.L), count = double(g.N) * length;
    for_runs(g, plan, group_of<T>(g.L, 1), false, [&](int64_t p, int64_t, int planes) {
        const int64_t L = g.L;
        const T* from = x + p * L;
        Vec<T> total[1], square[1];
        sum_planes<T>(L, planes, total, [=](int j) TG_INLINE_LAMBDA {
            const T* plane = from + j * L;
            return [=](int64_t i, int lanes, Vec<T>(&sum)[1])
                       TG_INLINE_LAMBDA { sum[0] += load_some(plane + i, lanes); };
        });
        T middle[kLanes<T>];
        store(middle, Vec<T>(total[0] / T(L)));
        sum_planes<T>(L, planes, square, [=, &middle](int j) TG_INLINE_LAMBDA {
            const T* plane = from + j * L;
            const Vec<T> m = splat(middle[j]);
            return [=](int64_t i, int lanes, Vec<T>(&sum)[1])
                       TG_INLINE_LAMBDA { add_square<T>(plane, i, lanes, m, sum[0]); };
        });
        store_some(sums + p, total[0], planes);
        store_some(squares + p, square[0], planes);
    });
    for_merged(g, plan, [&](int64_t c0, int64_t channels) {
        const double each = 1.0 / length;
        double middle[kMerged] = {}, square[kMerged] = {};
        for (int64_t n = 0; n < g.N; ++n) {
            const T* sum = sums + n * g.C + c0;
            for (int64_t c = 0; c < channels; ++c) middle[c] += double(sum[c]);
        }
        for (int64_t c = 0; c < channels; ++c) middle[c] /= count;
        for (int64_t n = 0; n < g.N; ++n) {
            const T *sum = sums + n * g.C + c0, *own = squares + n * g.C + c0;
            for (int64_t c = 0; c < channels; ++c) {
                const double off = double(sum[c]) * each - middle[c];
                square[c] += double(own[c]) + length * off * off;
            }
        }
        for (int64_t c = 0; c < channels; ++c) {
            const double v = square[c] / count;
            mean[c0 + c] = T(middle[c]);
            variance[c0 + c] = T(v);
            root[c0 + c] = T(1.0 / __builtin_sqrt(v + double(eps)));
        }
    });
    for_runs(g, plan, 1, true, [&](int64_t p, int64_t c, int) {
        const int64_t first = p * g.L;
        write_plane<T>(g.L, line_of(c, w, b, mean, root), x + first, relu, y + first);
    });
}

template <class T>
void forward(const ChannelShape& g, const NormPlan& plan, const T* x, const T* w, const T* b, T eps,
             bool relu, T* y, T* mean, T* variance, T* root, void* scratch) noexcept {
    if (plan.planes > 0) {
        T* sums = static_cast<T*>(scratch);
        forward_planes(g, plan, x, w, b, eps, relu, y, mean, variance, root, sums);
        return;
    }
    for_channels(g, plan, [&](int64_t c0, int64_t c1) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                forward_features(g, c, lanes, x, w, b, eps, relu, y, mean, variance, root);
            });
        } else {
            forward_channels(g, plan, c0, c1, x, w, b, eps, relu, y, mean, variance, root);
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

template <class T>
struct Slant {
    Vec<T> level, slope;  // of what the sums take from the gradient
};
template <class T>
TG_INLINE Slant<T> slant_of(int64_t c, double share, const T* root, const T* gw, const T* gb) {
    return {splat(T(double(gb[c]) * share)), splat(T(double(gw[c]) * double(root[c]) * share))};
}

template <class T, bool kRelu>
void backward_channels(const ChannelShape& g, int64_t c0, int64_t c1, const T* gy, const T* x,
                       const T* w, const T* b, const T* mean, const T* root, T* gx, T* gw,
                       T* gb) noexcept {
    const double share = 1.0 / (double(g.N) * double(g.L));
    for (int64_t c = c0; c < c1; ++c) {  // both sums in one pass
        const Line<T> line = line_of(c, w, b, mean, root);
        double total[2] = {};
        sum_channel<T>(g, c, 0, g.N, total,
                       [=](int64_t i, int lanes, Vec<T>(&sum)[2]) TG_INLINE_LAMBDA {
                           add_gradient<T, kRelu>(gy, x, i, lanes, line, sum);
                       });
        gb[c] = T(total[0]);
        gw[c] = T(total[1] * double(root[c]));
    }
    for_planes_back(g, c0, c1, [&](int64_t n, int64_t c) {
        const int64_t first = (n * g.C + c) * g.L;
        const Slant<T> slant = slant_of(c, share, root, gw, gb);
        write_gradient<T, kRelu>(g.L, line_of(c, w, b, mean, root), slant.level, slant.slope,
                                 gy + first, x + first, gx + first);
    });
}

// As forward_planes: the sums of all planes, then those of the channels, then gx.
template <class T, bool kRelu>
void backward_planes(const ChannelShape& g, const NormPlan& plan, const T* gy, const T* x,
                     const T* w, const T* b, const T* mean, const T* root, T* gx, T* gw, T* gb,
                     T* sums) noexcept {
    T* const along = sums + g.N * g.C;
    const double share = 1.0 / (double(g.N) * double(g.L));
    for_runs(g, plan, group_of<T>(g.L, 2), false, [&](int64_t p, int64_t c, int planes) {
        const int64_t L = g.L;
        Vec<T> total[2];
        sum_planes<T>(L, planes, total, [&](int j) TG_INLINE_LAMBDA {
            const T *up = gy + (p + j) * L, *value = x + (p + j) * L;
            const Line<T> line = line_of(c, w, b, mean, root);
            c = c + 1 < g.C ? c + 1 : 0;
            return [=](int64_t i, int lanes, Vec<T>(&sum)[2])
                       TG_INLINE_LAMBDA { add_gradient<T, kRelu>(up, value, i, lanes, line, sum); };
        });
        store_some(sums + p, total[0], planes);
        store_some(along + p, total[1], planes);
    });
    for_merged(g, plan, [&](int64_t c0, int64_t channels) {
        double total[kMerged] = {}, product[kMerged] = {};
        for (int64_t n = 0; n < g.N; ++n) {
            const T *sum = sums + n * g.C + c0, *own = along + n * g.C + c0;
            for (int64_t c = 0; c < channels; ++c) {
                total[c] += double(sum[c]);
                product[c] += double(own[c]);
            }
        }
        for (int64_t c = 0; c < channels; ++c) {
            gb[c0 + c] = T(total[c]);
            gw[c0 + c] = T(product[c] * double(root[c0 + c]));
        }
    });
    for_runs(g, plan, 1, true, [&](int64_t p, int64_t c, int) {
        const int64_t first = p * g.L;
        const Slant<T> slant = slant_of(c, share, root, gw, gb);
        write_gradient<T, kRelu>(g.L, line_of(c, w, b, mean, root), slant.level, slant.slope,
                                 gy + first, x + first, gx + first);
    });
}

template <class T, bool kRelu>
void backward_as(const ChannelShape& g, const NormPlan& plan, const T* gy, const T* x, const T* w,
                 const T* b, const T* mean, const T* root, T* gx, T* gw, T* gb,
                 void* scratch) noexcept {
    if (plan.planes > 0) {
        T* sums = static_cast<T*>(scratch);
        backward_planes<T, kRelu>(g, plan, gy, x, w, b, mean, root, gx, gw, gb, sums);
        return;
    }
    for_channels(g, plan, [&](int64_t c0, int64_t c1) {
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
                backward_features(g, c, lanes, gy, x, w, b, mean, root, kRelu, gx, gw, gb);
            });
        } else {
            backward_channels<T, kRelu>(g, c0, c1, gy, x, w, b, mean, root, gx, gw, gb);
        }
    });
}
template <class T>
void backward(const ChannelShape& g, const NormPlan& plan, const T* gy, const T* x, const T* w,
              const T* b, const T* mean, const T* root, bool relu, T* gx, T* gw, T* gb,
              void* scratch) noexcept {
    const auto run = relu ? backward_as<T, true> : backward_as<T, false>;
    run(g, plan, gy, x, w, b, mean, root, gx, gw, gb, scratch);
}

template <class T>
void affine(const ChannelShape& g, const NormPlan& plan, const T* x, const T* scale, const T* shift,
            bool relu, T* y) noexcept {
    if (plan.planes > 0) {
        for_runs(g, plan, 1, false, [&](int64_t p, int64_t c, int) {
            const int64_t from = p * g.L;
            const Vec<T> s = splat(scale[c]), t = splat(shift[c]);
            sweep_range<T>(from, from + g.L, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
                store_some(y + i, clipped<T>(fma(load_some(x + i, lanes), s, t), relu), lanes);
            });
        });
        return;
    }
    for_channels(g, plan, [&](int64_t c0, int64_t c1) {
        sweep_range<T>(c0, c1, [&](int64_t c, int lanes) {
            const Vec<T> s = load_some(scale + c, lanes), t = load_some(shift + c, lanes);
            for (int64_t n = 0; n < g.N; ++n) {
                const Vec<T> value = fma(load_some(x + n * g.C + c, lanes), s, t);
                store_some(y + n * g.C + c, clipped<T>(value, relu), lanes);
            }
        });
    });
}

}  // namespace

const NormTable norm = {{forward<float>, backward<float>, affine<float>},
                        {forward<double>, backward<double>, affine<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
