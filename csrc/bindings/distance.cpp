// Distances between rows, as Python sees them.
#include "kernels/distance.h"

#include "bindings/array.h"

namespace tinygrad_cv {
namespace {

Metric metric_of(const std::string& name) {
    if (name == "l1") return Metric::l1;
    if (name == "sqeuclidean") return Metric::sqeuclidean;
    throw std::invalid_argument("pairwise_distance: metric must be 'l1' or 'sqeuclidean', got '" +
                                name + "'");
}

template <class In, class Out>
py::object distance(py::handle x, py::handle y, Metric metric) {
    const View<const In> xv = view<const In>(x, "pairwise_distance: x", 2);
    const View<const In> yv = view<const In>(y, "pairwise_distance: y", 2);
    const DistanceShape s = {xv.shape[0], yv.shape[0], xv.shape[1]};
    if (yv.shape[1] != s.D) {
        throw std::invalid_argument("pairwise_distance: x has rows of " + std::to_string(s.D) +
                                    " elements but y of " + std::to_string(yv.shape[1]));
    }
    py::array d = new_array<Out>({xv.shape[0], yv.shape[0]});
    Out* to = static_cast<Out*>(d.mutable_data());
    const DistancePlan plan = plan_distance(s, int64_t(sizeof(In)), metric, machine());
    without_gil(plan.long_enough,
                [&] { pairwise_distance(s, metric, xv.data, yv.data, to, plan); });
    return d;
}

}  // namespace

void bind_distance(py::module_& m) {
    m.def(
        "pairwise_distance",
        [](py::handle x, py::handle y, const std::string& metric) {
            const Metric which = metric_of(metric);
            if (has_type<uint8_t>(x)) return distance<uint8_t, int64_t>(x, y, which);
            if (has_type<double>(x)) return distance<double, double>(x, y, which);
            return distance<float, float>(x, y, which);
        },
        py::arg("x"), py::arg("y"), py::arg("metric"),
        "pairwise_distance(x, y, metric) -> numpy.ndarray\n\n"
        "Distances between the rows of x (N, D) and of y (M, D), dense: (N, M).\n"
        "float32 and float64 give their own dtype, uint8 exact int64.\n\n"
        "'l1': d[i, j] = sum_k |x[i, k] - y[j, k]|; 'sqeuclidean': the sum of squares");
}

}  // namespace tinygrad_cv
