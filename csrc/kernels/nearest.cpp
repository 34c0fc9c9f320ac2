#include "kernels/nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "runtime/pool.h"

namespace tinygrad_cv {
namespace {

constexpr int64_t kThreadGrain = 512 << 10;  // pairs of elements
constexpr int64_t kReleaseGil = 1 << 20;
constexpr int64_t kStrips = 32;             // rows of x that a thread needs to run well
constexpr int64_t kMostRows = 8;            // of a register tile, in any set
constexpr int64_t kBlockBytes = 256 << 10;  // of y, beside what x needs in L2
// Prepared rows of y, for all threads together: a share of L3. All wait for each other before the
// next, so that there should be few.
constexpr int64_t kSlabBytes = 16 << 20;
// Rounding pays from rows of so many elements (below, the choice costs as much as the sums), and of
// so many pairs for each row that is rounded.
constexpr int64_t kRoundFrom = 64, kRoundRows = 32;
constexpr int64_t kRoundTo = 1 << 20;  // beyond, the error of a sum of floats says too little
constexpr int64_t kSample = 64;        // rows that the range is taken from
// Values whose squares neither underflow nor overflow.
constexpr double kLeastStep = 1e-12, kMostStep = 1e12;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

struct Scale {
    double low, step;
    bool good;
};

// 256 steps over the range of some rows; values beyond are rounded to the ends.
template <class T>
Scale sample_scale(const T* y, int64_t M, int64_t D) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    const int64_t every = std::max<int64_t>(M / kSample, 1);
    for (int64_t i = 0; i < M; i += every) {
        for (int64_t k = 0; k < D; ++k) {
            const double v = double(y[i * D + k]);
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
    }
    const double step = (high - low) / 255;
    // Rounded as the rows' type rounds it, so that all agree on what a byte stands for.
    return {double(T(low)), double(T(step)), step > kLeastStep && step < kMostStep};
}

template <class T>
double sum_of_powers(const T* x, const T* y, int64_t D, double p) {
    double sum = 0;
    for (int64_t k = 0; k < D; ++k) sum += std::pow(std::abs(double(x[k]) - double(y[k])), p);
    return sum;
}

bool is_sum(NearestMetric metric) {
    return metric == NearestMetric::l1 || metric == NearestMetric::sqeuclidean;
}
bool is_product(NearestMetric metric) {
    return metric == NearestMetric::dot || metric == NearestMetric::cosine;
}

template <class T>
const char* refusal(const NearestArgs<T>& g, NearestForm form, const Scale& scale) {
    constexpr bool exact = std::is_same_v<T, uint8_t>;
    if (form == NearestForm::single) {
        return is_sum(g.metric) || is_product(g.metric) ? "metrics of sums have tiles" : nullptr;
    }
    if (!is_sum(g.metric) && !is_product(g.metric)) return "this metric goes pair by pair";
    if (form == NearestForm::tiles) return exact ? "uint8 has sums of bytes" : nullptr;
    if (exact) return nullptr;
    if (!is_sum(g.metric)) return "only l1 and sqeuclidean can be bounded";
    if (g.D > kRoundTo) return "rows are too long to be bounded";
    return scale.good ? nullptr : "values do not fit 256 steps";
}

// Threads over rows of x; over rows of y where there are few of x.
template <class T>
void divide(NearestPlan& p, const NearestArgs<T>& g, int threads) {
    const int64_t work = g.N * g.M * std::max<int64_t>(g.D, 1);
    const int team = team_for(work, kThreadGrain, threads);
    p.long_enough = work > kReleaseGil;
    const bool over_y = g.N < team * kStrips && g.M > g.N;
    p.jobs_n = over_y ? 1 : team;
    p.jobs_m = over_y ? int(std::min<int64_t>(team, g.M)) : 1;
}

template <class T>
NearestPlan plan_form(const NearestArgs<T>& g, const Machine& machine, NearestForm form,
                      const Scale& scale, const char* why) {
    NearestPlan p = {};
    p.form = form;
    p.why = why;
    p.rounded = form == NearestForm::bytes && !std::is_same_v<T, uint8_t>;
    p.low = scale.low;
    p.step = scale.step;
    divide(p, g, machine.threads);
    const bool l1 = g.metric == NearestMetric::l1;
    const bool prepared = form == NearestForm::bytes && !(l1 && !p.rounded);
    // Products take up to 16 bits an element.
    const int64_t row = prepared ? round_up((l1 ? 1 : 2) * g.D, 64) : 0;
    const int64_t read = std::max<int64_t>(prepared ? row : g.D * int64_t(sizeof(T)), 1);
    p.block = std::min(std::max(kBlockBytes / read, kMostRows), std::max<int64_t>(g.M, 1));
    p.slab = prepared ? std::min(std::max(kSlabBytes / read, p.block * p.jobs_m), g.M) : g.M;
    const int64_t found = p.jobs_m == 1 ? 0 : round_up(p.jobs_m * g.N * g.k * 16, 64);
    const int64_t limits = round_up(p.jobs_m * g.N * 8, 64);
    const int64_t rows = g.N + (prepared ? p.slab : g.M);
    const int64_t team = int64_t(p.jobs_n) * p.jobs_m;
    p.scratch_bytes = found + limits;
    if (prepared) p.scratch_bytes += rows * (row + 16) + 6 * 64 + team * round_up(g.D, 64);
    if (form == NearestForm::tiles) p.scratch_bytes += rows * 8;
    return p;
}

}  // namespace

const char* nearest_form_name(NearestForm form) noexcept {
    switch (form) {
        case NearestForm::bytes:
            return "bytes";
        case NearestForm::tiles:
            return "tiles";
        case NearestForm::single:
            return "single";
    }
    return "unknown";
}

template <class T>
NearestPlan plan_nearest(const NearestArgs<T>& g, const Machine& machine) {
    constexpr bool exact = std::is_same_v<T, uint8_t>;
    const auto plan = [&](NearestForm form, const Scale& scale, const char* why) {
        return plan_form(g, machine, form, scale, why);
    };
    if (!is_sum(g.metric) && !is_product(g.metric)) {
        return plan(NearestForm::single, {}, "single: a metric that is no sum");
    }
    if (exact) return plan(NearestForm::bytes, {}, "bytes: exact");
    if (is_sum(g.metric) && g.D >= kRoundFrom && g.N >= kRoundRows && g.k * kRoundRows <= g.M) {
        const Scale scale = sample_scale(g.y, g.M, g.D);
        if (!refusal(g, NearestForm::bytes, scale)) {
            return plan(NearestForm::bytes, scale, "bytes: rounded rows tell most pairs apart");
        }
    }
    return plan(NearestForm::tiles, {}, "tiles: sums of the rows as they are");
}

template <class T>
NearestPlan plan_nearest(const NearestArgs<T>& g, const Machine& machine, NearestForm form) {
    const Scale scale = sample_scale(g.y, g.M, g.D);
    if (const char* why_not = refusal(g, form, scale)) {
        throw std::invalid_argument(std::string("nearest: form ") + nearest_form_name(form) +
                                    " does not fit: " + why_not);
    }
    return plan_form(g, machine, form, scale, "forced");
}

template <class T>
void nearest(const NearestArgs<T>& asked, const NearestPlan& plan) {
    if (asked.N == 0) return;
    NearestArgs<T> g = asked;
    g.sum_of_powers = sum_of_powers<T>;
    const Buffer<char> scratch = make_buffer<char>(std::max<int64_t>(plan.scratch_bytes, 64));
    const NearestKernels& kernels = plan.form == NearestForm::bytes
                                        ? TG_PICK_BYTE(nearest_byte_kernels)
                                        : TG_PICK(nearest_kernels);
    if constexpr (std::is_same_v<T, float>) {
        kernels.f32(g, plan, scratch.get());
    } else if constexpr (std::is_same_v<T, double>) {
        kernels.f64(g, plan, scratch.get());
    } else {
        kernels.u8(g, plan, scratch.get());
    }
}

#define TG_INSTANTIATE(T)                                                                  \
    template NearestPlan plan_nearest(const NearestArgs<T>&, const Machine&);              \
    template NearestPlan plan_nearest(const NearestArgs<T>&, const Machine&, NearestForm); \
    template void nearest(const NearestArgs<T>&, const NearestPlan&);
TG_INSTANTIATE(float)
TG_INSTANTIATE(double)
TG_INSTANTIATE(uint8_t)
#undef TG_INSTANTIATE

}  // namespace tinygrad_cv
