// The nearest rows, as Python sees them.
#include "kernels/nearest.h"

#include "bindings/array.h"

namespace tinygrad_cv {
namespace {

const char* const kMetrics[] = {"l1",        "sqeuclidean", "dot",      "cosine",
                                "chebyshev", "hamming",     "minkowski"};

NearestMetric metric_of(const std::string& name) {
    std::string known;
    for (int i = 0; i < int(std::size(kMetrics)); ++i) {
        if (name == kMetrics[i]) return NearestMetric(i);
        known += (i ? ", " : "") + std::string(kMetrics[i]);
    }
    throw std::invalid_argument("nearest: metric must be one of " + known + ", got '" + name + "'");
}

template <class T>
NearestArgs<T> arguments(py::handle x, py::handle y, int64_t k, const std::string& metric,
                         double p) {
    const View<const T> xv = view<const T>(x, "nearest: x", 2);
    const View<const T> yv = view<const T>(y, "nearest: y", 2);
    const NearestMetric which = metric_of(metric);
    if (xv.shape[1] != yv.shape[1]) {
        throw std::invalid_argument("nearest: x has rows of " + std::to_string(xv.shape[1]) +
                                    " elements but y of " + std::to_string(yv.shape[1]));
    }
    if (k < 1 || k > yv.shape[0]) {
        throw std::invalid_argument("nearest: k must be 1 to " + std::to_string(yv.shape[0]) +
                                    ", the rows of y, got " + std::to_string(k));
    }
    if (which == NearestMetric::minkowski && !(p > 0)) {
        throw std::invalid_argument("nearest: p must be above 0, got " + std::to_string(p));
    }
    return {xv.shape[0], yv.shape[0], xv.shape[1], k,       which,  p,
            xv.data,     yv.data,     nullptr,     nullptr, nullptr};
}

template <class T>
NearestPlan plan_of(const NearestArgs<T>& g, const std::string& form) {
    if (form.empty()) return plan_nearest(g, machine());
    for (NearestForm f : {NearestForm::bytes, NearestForm::tiles, NearestForm::single}) {
        if (form == nearest_form_name(f)) return plan_nearest(g, machine(), f);
    }
    throw std::invalid_argument("nearest: form must be bytes, tiles or single, got '" + form + "'");
}

template <class T>
py::tuple search(py::handle x, py::handle y, int64_t k, const std::string& metric, double p,
                 const std::string& form) {
    NearestArgs<T> g = arguments<T>(x, y, k, metric, p);
    const NearestPlan plan = plan_of(g, form);
    py::array d = new_array<double>({g.N, g.k}), index = new_array<int64_t>({g.N, g.k});
    g.d = static_cast<double*>(d.mutable_data());
    g.index = static_cast<int64_t*>(index.mutable_data());
    without_gil(plan.long_enough, [&] { nearest(g, plan); });
    return py::make_tuple(d, index);
}

template <class T>
py::dict describe(py::handle x, py::handle y, int64_t k, const std::string& metric) {
    const NearestArgs<T> g = arguments<T>(x, y, k, metric, 2);
    const NearestPlan p = plan_nearest(g, machine());
    py::dict d;
    d["form"] = nearest_form_name(p.form);
    d["why"] = p.why;
    d["jobs"] = py::make_tuple(p.jobs_n, p.jobs_m);
    d["block"] = p.block;
    d["scratch_bytes"] = p.scratch_bytes;
    return d;
}

}  // namespace

void bind_nearest(py::module_& m) {
    m.def(
        "nearest",
        [](py::handle x, py::handle y, int64_t k, const std::string& metric, double p,
           const std::string& form) {
            if (has_type<uint8_t>(x)) return search<uint8_t>(x, y, k, metric, p, form);
            if (has_type<double>(x)) return search<double>(x, y, k, metric, p, form);
            return search<float>(x, y, k, metric, p, form);
        },
        py::arg("x"), py::arg("y"), py::arg("k"), py::arg("metric"), py::arg("p") = 2.0,
        py::arg("form") = "",
        "nearest(x, y, k, metric, p=2.0, form='') -> tuple\n\n"
        "The k rows of y (M, D) nearest to each row of x (N, D), dense: distances as float64 and\n"
        "indices as int64, both (N, k), nearest first, ties to the lower index. x and y are "
        "uint8,\n"
        "float32 or float64. form forces an algorithm: bytes, tiles or single.\n\n"
        "metric: l1, sqeuclidean, dot (negated), cosine, chebyshev, hamming, or minkowski (the "
        "sum\n"
        "of |x - y|^p)");
    m.def(
        "nearest_plan",
        [](py::handle x, py::handle y, int64_t k, const std::string& metric) {
            if (has_type<uint8_t>(x)) return describe<uint8_t>(x, y, k, metric);
            if (has_type<double>(x)) return describe<double>(x, y, k, metric);
            return describe<float>(x, y, k, metric);
        },
        py::arg("x"), py::arg("y"), py::arg("k"), py::arg("metric"),
        "nearest_plan(x, y, k, metric) -> dict\n\nThe algorithm that nearest would take, and why.");
}

}  // namespace tinygrad_cv
