// Softmax and cross-entropy, compiled per instruction set. Contract: kernels/loss.h.
#include "kernels/exp_lanes.h"
#include "kernels/loss.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

template <class T>
TG_INLINE T largest(const T* x, int64_t K) {
    const T lowest = T(-__builtin_inff());
    Vec<T> most = splat(lowest);
    sweep_range<T>(0, K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
        Vec<T> v = load_some(x + i, lanes);
        if (lanes < kLanes<T>) v = first_lanes<T>(v, lanes, lowest);
        most = v > most ? v : most;
    });
    T m = most[0];
    for (int i = 1; i < kLanes<T>; ++i) m = most[i] > m ? most[i] : m;
    return m;
}

template <class T>
TG_INLINE T log_of(T x) {
    return log_lanes<T>(splat(x))[0];
}

// The sum of exp(x - m); each goes to `to` if there is one.
template <class T>
TG_INLINE T sum_exp(const T* x, int64_t K, T m, T* to) {
    Vec<T> sum = {};
    sweep_range<T>(0, K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<T> e = exp_lanes<T>(load_some(x + i, lanes) - m);
        if (to) store_some(to + i, e, lanes);
        sum += lanes == kLanes<T> ? e : first_lanes<T>(e, lanes);
    });
    return sum_lanes<T>(sum);
}

template <class F>
TG_INLINE void for_rows(const RowShape& g, const RowPlan& plan, const F& f) {
    parallel_for((g.R + plan.rows - 1) / plan.rows, plan.team, [&](int64_t job) {
        const int64_t r0 = job * plan.rows, r1 = r0 + plan.rows < g.R ? r0 + plan.rows : g.R;
        for (int64_t r = r0; r < r1; ++r) f(r);
    });
}

template <class T>
void log_softmax(const RowShape& g, const RowPlan& plan, const T* x, T* y) noexcept {
    for_rows(g, plan, [&](int64_t r) {
        const T *from = x + r * g.K, m = largest(from, g.K);
        const T shift = log_of(sum_exp<T>(from, g.K, m, nullptr));
        T* to = y + r * g.K;
        sweep_range<T>(0, g.K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
            store_some(to + i, load_some(from + i, lanes) - m - shift, lanes);
        });
    });
}

template <class T>
void log_softmax_backward(const RowShape& g, const RowPlan& plan, const T* gy, const T* y,
                          T* gx) noexcept {
    for_rows(g, plan, [&](int64_t r) {
        const T *up = gy + r * g.K, *at = y + r * g.K;
        Vec<T> sum = {};
        sweep_range<T>(0, g.K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
            sum += load_some(up + i, lanes);
        });
        const Vec<T> total = splat(sum_lanes<T>(sum));
        T* to = gx + r * g.K;
        sweep_range<T>(0, g.K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
            const Vec<T> p = exp_lanes<T>(load_some(at + i, lanes));
            store_some(to + i, fma(-p, total, load_some(up + i, lanes)), lanes);
        });
    });
}

template <class T>
void cross_entropy(const RowShape& g, const RowPlan& plan, const T* x, const int64_t* t,
                   const T* weight, int64_t ignore, T* loss, T* factor, T* p) noexcept {
    for_rows(g, plan, [&](int64_t r) {
        const T *from = x + r * g.K, m = largest(from, g.K);
        T* to = p + r * g.K;
        const T sum = sum_exp<T>(from, g.K, m, to);
        const T share = T(1) / sum;
        sweep_range<T>(0, g.K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
            store_some(to + i, load_some(to + i, lanes) * share, lanes);
        });
        if (t[r] == ignore) {
            factor[r] = loss[r] = T(0);
        } else {
            factor[r] = weight ? weight[t[r]] : T(1);
            loss[r] = factor[r] * (log_of(sum) - (from[t[r]] - m));
        }
    });
}

template <class T>
void cross_entropy_backward(const RowShape& g, const RowPlan& plan, const T* up, bool each_row,
                            const T* p, const int64_t* t, int64_t ignore, const T* factor,
                            T* gx) noexcept {
    for_rows(g, plan, [&](int64_t r) {
        const T *from = p + r * g.K, f = up[each_row ? r : 0] * factor[r];
        T* to = gx + r * g.K;
        const bool ignored = t[r] == ignore;
        sweep_range<T>(0, g.K, [&](int64_t i, int lanes) TG_INLINE_LAMBDA {
            const Vec<T> part = ignored ? Vec<T>{} : load_some(from + i, lanes) * f;
            store_some(to + i, part, lanes);
        });
        if (!ignored) to[t[r]] = (from[t[r]] - T(1)) * f;
    });
}

}  // namespace

const LossTable loss = {{log_softmax<float>, log_softmax_backward<float>, cross_entropy<float>,
                         cross_entropy_backward<float>},
                        {log_softmax<double>, log_softmax_backward<double>, cross_entropy<double>,
                         cross_entropy_backward<double>}};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
