// Softmax and cross-entropy, as Python sees them.
#include "kernels/loss.h"

#include "bindings/array.h"
#include "bindings/channels.h"
#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

template <class T>
const LossKernels<T>& kernels() {
    const LossTable& table = TG_PICK(loss);
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}

// Rows along the last dimension.
RowShape row_shape(const char* where, py::handle x) {
    const std::vector<py::ssize_t> shape = shape_of(x);
    if (shape.empty()) {
        throw std::invalid_argument(std::string(where) + " must have at least 1 dimension, got 0");
    }
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    return {shape.back() ? rows : 0, shape.back()};
}
template <class T>
T* output(py::array& array) {
    return static_cast<T*>(array.mutable_data());
}

template <class T>
py::array log_softmax(py::handle x) {
    const View<const T> v = view<const T>(x, "log_softmax: x", rank_of(x));
    const RowShape g = row_shape("log_softmax: x", x);
    py::array y = new_array<T>(shape_of(x));
    T* to = output<T>(y);
    const RowPlan plan = plan_rows(g, num_threads());
    without_gil(plan.long_work, [&] { kernels<T>().log_softmax(g, plan, v.data, to); });
    return y;
}

template <class T>
py::array log_softmax_backward(py::handle grad, py::handle y) {
    const View<const T> up = view<const T>(grad, "log_softmax_backward: grad", rank_of(grad));
    const View<const T> at = view<const T>(y, "log_softmax_backward: y", rank_of(grad));
    check_same_shape("log_softmax_backward: grad and y", grad, y);
    const RowShape g = row_shape("log_softmax_backward: y", y);
    py::array gx = new_array<T>(shape_of(y));
    T* to = output<T>(gx);
    const RowPlan plan = plan_rows(g, num_threads());
    without_gil(plan.long_work,
                [&] { kernels<T>().log_softmax_backward(g, plan, up.data, at.data, to); });
    return gx;
}

// A label outside 0 .. K - 1 would be read as an address.
const int64_t* labels_of(const char* where, py::handle target, const RowShape& g, int64_t ignore) {
    const View<const int64_t> t = view<const int64_t>(target, where, 1);
    if (t.shape[0] != g.R) {
        throw std::invalid_argument(std::string(where) + " has " + std::to_string(t.shape[0]) +
                                    " labels but there are " + std::to_string(g.R) + " rows");
    }
    for (int64_t r = 0; r < g.R; ++r) {
        const int64_t label = t.data[r];
        if ((label < 0 || label >= g.K) && label != ignore) {
            throw py::index_error(std::string(where) + "[" + std::to_string(r) + "] is " +
                                  std::to_string(label) + " but the classes are 0 to " +
                                  std::to_string(g.K - 1));
        }
    }
    return t.data;
}

template <class T>
py::tuple cross_entropy(py::handle x, py::handle target, py::handle weight, int64_t ignore) {
    const View<const T> v = view<const T>(x, "cross_entropy: x", 2);
    const RowShape g = row_shape("cross_entropy: x", x);
    const int64_t* t = labels_of("cross_entropy: target", target, g, ignore);
    const T* w = nullptr;
    if (!weight.is_none()) {
        const View<const T> factors = view<const T>(weight, "cross_entropy: weight", 1);
        if (factors.shape[0] != g.K) {
            throw std::invalid_argument(
                "cross_entropy: weight has " + std::to_string(factors.shape[0]) +
                " elements but there are " + std::to_string(g.K) + " classes");
        }
        w = factors.data;
    }
    py::array loss = new_array<T>({g.R}), factor = new_array<T>({g.R});
    py::array p = new_array<T>(shape_of(x));
    T *to = output<T>(loss), *f = output<T>(factor), *shares = output<T>(p);
    const RowPlan plan = plan_rows(g, num_threads());
    without_gil(plan.long_work,
                [&] { kernels<T>().cross_entropy(g, plan, v.data, t, w, ignore, to, f, shares); });
    return py::make_tuple(loss, factor, p);
}

template <class T>
py::array cross_entropy_backward(py::handle grad, py::handle p, py::handle target, int64_t ignore,
                                 py::handle factor) {
    const View<const T> shares = view<const T>(p, "cross_entropy_backward: p", 2);
    const RowShape g = row_shape("cross_entropy_backward: p", p);
    const int64_t* t = labels_of("cross_entropy_backward: target", target, g, ignore);
    const View<const T> f = view<const T>(factor, "cross_entropy_backward: factor", 1);
    const int ndim = rank_of(grad) ? 1 : 0;
    const View<const T> up = view<const T>(grad, "cross_entropy_backward: grad", ndim);
    if (f.shape[0] != g.R || (ndim && up.shape[0] != g.R)) {
        throw std::invalid_argument("cross_entropy_backward: factor and grad must have " +
                                    std::to_string(g.R) + " elements, as p has rows");
    }
    py::array gx = new_array<T>(shape_of(p));
    T* to = output<T>(gx);
    const RowPlan plan = plan_rows(g, num_threads());
    without_gil(plan.long_work, [&] {
        kernels<T>().cross_entropy_backward(g, plan, up.data, ndim == 1, shares.data, t, ignore,
                                            f.data, to);
    });
    return gx;
}

}  // namespace

void bind_loss(py::module_& m) {
    m.def(
        "log_softmax",
        [](py::handle x) {
            return has_type<double>(x) ? log_softmax<double>(x) : log_softmax<float>(x);
        },
        py::arg("x"),
        "log_softmax(x) -> numpy.ndarray\n\ny = x - log of the sum of exp(x), along the last "
        "dimension.");
    m.def(
        "log_softmax_backward",
        [](py::handle grad, py::handle y) {
            return has_type<double>(grad) ? log_softmax_backward<double>(grad, y)
                                          : log_softmax_backward<float>(grad, y);
        },
        py::arg("grad"), py::arg("y"),
        "log_softmax_backward(grad, y) -> numpy.ndarray\n\n"
        "gx = grad - exp(y) times the sum of grad, along the last dimension.");
    m.def(
        "cross_entropy",
        [](py::handle x, py::handle target, py::handle weight, int64_t ignore_index) {
            return has_type<double>(x) ? cross_entropy<double>(x, target, weight, ignore_index)
                                       : cross_entropy<float>(x, target, weight, ignore_index);
        },
        py::arg("x"), py::arg("target"), py::arg("weight"), py::arg("ignore_index"),
        "cross_entropy(x, target, weight, ignore_index) -> tuple of 3 numpy.ndarray\n\n"
        "Of each row of scores x (R, K): its loss and its factor, weight[target] or 0; and its\n"
        "softmax (R, K). target is int64.");
    m.def(
        "cross_entropy_backward",
        [](py::handle grad, py::handle p, py::handle target, int64_t ignore_index,
           py::handle factor) {
            return has_type<double>(p)
                       ? cross_entropy_backward<double>(grad, p, target, ignore_index, factor)
                       : cross_entropy_backward<float>(grad, p, target, ignore_index, factor);
        },
        py::arg("grad"), py::arg("p"), py::arg("target"), py::arg("ignore_index"),
        py::arg("factor"),
        "cross_entropy_backward(grad, p, target, ignore_index, factor) -> numpy.ndarray\n\n"
        "gx = grad factor (p - onehot(target)); grad is one number a row, or one for all.");
}

}  // namespace tinygrad_cv
