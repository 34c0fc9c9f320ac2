// Sums over all but the channels, compiled per instruction set. Contract: kernels/channel.h.
#include "kernels/channel.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// What a pass reads at element i: x itself, or gy where relu let it through, which is written too.
template <class T>
struct Plain {
    const T* x;
    TG_INLINE_LAMBDA Vec<T> operator()(int64_t i, int lanes) const {
        return load_some(x + i, lanes);
    }
};
template <class T>
struct Masked {
    const T *gy, *y;
    T* gx;
    TG_INLINE_LAMBDA Vec<T> operator()(int64_t i, int lanes) const {
        const Vec<T> through =
            load_some(y + i, lanes) <= T(0) ? Vec<T>{} : load_some(gy + i, lanes);
        store_some(gx + i, through, lanes);
        return through;
    }
};

// One position a channel: lanes over channels c .. c + lanes - 1, images n0 .. n1 - 1.
template <class T, class F>
TG_INLINE Vec<T> sum_rows(const ChannelShape& g, int64_t n0, int64_t n1, int64_t c, int lanes,
                          const F& f) {
    Vec<T> total = {};
    for (int64_t n = n0; n < n1;) {  // sums of 64, then the sum of those: the error grows slower
        Vec<T> sum = {};
        const int64_t end = n + 64 < n1 ? n + 64 : n1;
        for (; n < end; ++n) sum += f(n * g.C + c, lanes);
        total += sum;
    }
    return total;
}

// L positions from element `at`.
template <class T, class F>
TG_INLINE Vec<T> sum_plane(int64_t at, int64_t L, const F& f) {
    constexpr int64_t V = kLanes<T>;
    Vec<T> sum[4] = {};
    int64_t i = 0;
    for (; i + 4 * V <= L; i += 4 * V) {
        TG_UNROLL
        for (int k = 0; k < 4; ++k) sum[k] += f(at + i + k * V, int(V));
    }
    for (; i + V <= L; i += V) sum[0] += f(at + i, int(V));
    if (i < L) sum[1] += f(at + i, int(L - i));
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T, class F>
void sum_channels(const ChannelShape& g, const ChannelPlan& plan, T* s, void* scratch,
                  const F& f) noexcept {
    constexpr int64_t V = kLanes<T>;
    T* const partial = static_cast<T*>(scratch);  // (blocks, C) sums; V lanes each unless L is 1
    parallel_for(plan.blocks * plan.groups, plan.team, [&](int64_t job) {
        const int64_t block = job / plan.groups, n0 = block * plan.images;
        const int64_t n1 = n0 + plan.images < g.N ? n0 + plan.images : g.N;
        const int64_t c0 = job % plan.groups * plan.channels;
        const int64_t c1 = c0 + plan.channels < g.C ? c0 + plan.channels : g.C;
        if (g.L == 1) {
            sweep_range<T>(c0, c1, [&](int64_t c, int lanes) TG_INLINE_LAMBDA {
                const Vec<T> sum = sum_rows<T>(g, n0, n1, c, lanes, f);
                store_some(partial + block * g.C + c, sum, lanes);
            });
            return;
        }
        T* const own = partial + block * g.C * V;
        for (int64_t c = c0; c < c1; ++c) store(own + c * V, Vec<T>{});
        for (int64_t n = n0; n < n1; ++n) {
            for (int64_t c = c0; c < c1; ++c) {
                const Vec<T> sum = sum_plane<T>((n * g.C + c) * g.L, g.L, f);
                store(own + c * V, load(own + c * V) + sum);
            }
        }
    });
    if (g.L == 1) {
        sweep_range<T>(0, g.C, [&](int64_t c, int lanes) TG_INLINE_LAMBDA {
            Vec<T> sum = {};
            for (int64_t b = 0; b < plan.blocks; ++b) {
                sum += load_some(partial + b * g.C + c, lanes);
            }
            store_some(s + c, sum, lanes);
        });
        return;
    }
    for (int64_t c = 0; c < g.C; ++c) {
        Vec<T> sum = {};
        for (int64_t b = 0; b < plan.blocks; ++b) sum += load(partial + (b * g.C + c) * V);
        s[c] = sum_lanes<T>(sum);
    }
}

template <class T>
void sum(const ChannelShape& g, const ChannelPlan& plan, const T* x, T* s, void* scratch) noexcept {
    sum_channels<T>(g, plan, s, scratch, Plain<T>{x});
}
template <class T>
void relu(const ChannelShape& g, const ChannelPlan& plan, const T* gy, const T* y, T* gx, T* s,
          void* scratch) noexcept {
    sum_channels<T>(g, plan, s, scratch, Masked<T>{gy, y, gx});
}

}  // namespace

const ChannelTable channel = {{sum<float>, relu<float>}, {sum<double>, relu<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
