// Normalisation of channels, as Python sees it.
#include "kernels/norm.h"

#include "bindings/array.h"
#include "bindings/channels.h"
#include "runtime/pool.h"

namespace tinygrad_cv {
namespace {

template <class T>
const NormKernels<T>& kernels() {
    const NormTable& table = TG_PICK(norm);
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}

// One number a channel; null for None.
template <class T>
const T* per_channel(const char* name, py::handle h, int64_t C) {
    if (h.is_none()) return nullptr;
    const View<const T> v = view<const T>(h, name, 1);
    if (v.shape[0] != C) {
        throw std::invalid_argument(std::string(name) + " has " + std::to_string(v.shape[0]) +
                                    " elements but there are " + std::to_string(C) + " channels");
    }
    return v.data;
}
template <class T>
T* output(py::array& array) {
    return static_cast<T*>(array.mutable_data());
}

template <class T>
py::tuple forward(py::handle x, py::handle weight, py::handle bias, double eps, bool relu) {
    const View<const T> v = view<const T>(x, "batch_norm: x", rank_of(x));
    const ChannelShape g = channel_shape("batch_norm: x", x);
    if (g.N * g.L < 1) throw std::invalid_argument("batch_norm: x has no values in a channel");
    const T* w = per_channel<T>("batch_norm: weight", weight, g.C);
    const T* b = per_channel<T>("batch_norm: bias", bias, g.C);
    py::array y = new_array<T>(shape_of(x)), mean = new_array<T>({g.C});
    py::array variance = new_array<T>({g.C}), root = new_array<T>({g.C});
    T *to = output<T>(y), *m = output<T>(mean), *s = output<T>(variance), *r = output<T>(root);
    const NormPlan plan = plan_norm(g, sizeof(T), 1, machine());
    const Buffer<char> scratch = make_buffer<char>(plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        kernels<T>().forward(g, plan, v.data, w, b, T(eps), relu, to, m, s, r, scratch.get());
    });
    return py::make_tuple(y, mean, variance, root);
}

template <class T>
py::tuple backward(py::handle grad, py::handle x, py::handle weight, py::handle bias,
                   py::handle mean, py::handle root, bool relu) {
    const View<const T> gy = view<const T>(grad, "batch_norm_backward: grad", rank_of(grad));
    const View<const T> v = view<const T>(x, "batch_norm_backward: x", rank_of(grad));
    check_same_shape("batch_norm_backward: grad and x", grad, x);
    const ChannelShape g = channel_shape("batch_norm_backward: x", x);
    if (g.N * g.L < 1) {
        throw std::invalid_argument("batch_norm_backward: x has no values in a channel");
    }
    const T* w = per_channel<T>("batch_norm_backward: weight", weight, g.C);
    const T* b = per_channel<T>("batch_norm_backward: bias", bias, g.C);
    const T* m = per_channel<T>("batch_norm_backward: mean", mean, g.C);
    const T* r = per_channel<T>("batch_norm_backward: root", root, g.C);
    if (!m || !r) throw py::type_error("batch_norm_backward: mean and root must be arrays");
    py::array gx = new_array<T>(shape_of(x)), gw = new_array<T>({g.C}), gb = new_array<T>({g.C});
    T *to = output<T>(gx), *to_w = output<T>(gw), *to_b = output<T>(gb);
    const NormPlan plan = plan_norm(g, sizeof(T), 2, machine());
    const Buffer<char> scratch = make_buffer<char>(plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        kernels<T>().backward(g, plan, gy.data, v.data, w, b, m, r, relu, to, to_w, to_b,
                              scratch.get());
    });
    return py::make_tuple(gx, gw, gb);
}

template <class T>
py::array affine(py::handle x, py::handle scale, py::handle shift, bool relu) {
    const View<const T> v = view<const T>(x, "channel_affine: x", rank_of(x));
    const ChannelShape g = channel_shape("channel_affine: x", x);
    const T* s = per_channel<T>("channel_affine: scale", scale, g.C);
    const T* t = per_channel<T>("channel_affine: shift", shift, g.C);
    if (!s || !t) throw py::type_error("channel_affine: scale and shift must be arrays");
    py::array y = new_array<T>(shape_of(x));
    T* to = output<T>(y);
    const NormPlan plan = plan_norm(g, sizeof(T), 0, machine());
    without_gil(plan.long_work, [&] { kernels<T>().affine(g, plan, v.data, s, t, relu, to); });
    return y;
}

}  // namespace

void bind_norm(py::module_& m) {
    m.def(
        "batch_norm",
        [](py::handle x, py::handle weight, py::handle bias, double eps, bool relu) {
            return has_type<double>(x) ? forward<double>(x, weight, bias, eps, relu)
                                       : forward<float>(x, weight, bias, eps, relu);
        },
        py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("eps"), py::arg("relu") = false,
        "batch_norm(x, weight, bias, eps, relu=False) -> tuple of 4 "
        "numpy.ndarray\n\n"
        "y = act((x - mean) root weight + bias); mean, variance and root = 1 / "
        "sqrt(variance + eps)"
        "\nof each channel.");
    m.def(
        "batch_norm_backward",
        [](py::handle grad, py::handle x, py::handle weight, py::handle bias, py::handle mean,
           py::handle root, bool relu) {
            return has_type<double>(grad)
                       ? backward<double>(grad, x, weight, bias, mean, root, relu)
                       : backward<float>(grad, x, weight, bias, mean, root, relu);
        },
        py::arg("grad"), py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("mean"),
        py::arg("root"), py::arg("relu") = false,
        "batch_norm_backward(grad, x, weight, bias, mean, root, relu=False) -> "
        "tuple of 3 "
        "numpy.ndarray\n\nThe gradients of x, weight and bias.");
    m.def(
        "channel_affine",
        [](py::handle x, py::handle scale, py::handle shift, bool relu) {
            return has_type<double>(x) ? affine<double>(x, scale, shift, relu)
                                       : affine<float>(x, scale, shift, relu);
        },
        py::arg("x"), py::arg("scale"), py::arg("shift"), py::arg("relu") = false,
        "channel_affine(x, scale, shift, relu=False) -> numpy.ndarray\n\n"
        "y[:, c] = act(x[:, c] scale[c] + shift[c])");
}

}  // namespace tinygrad_cv
