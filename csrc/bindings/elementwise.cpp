// Activations and sums over channels, as Python sees them.
#include "kernels/elementwise.h"

#include <iterator>
#include <string_view>

#include "bindings/array.h"
#include "bindings/channels.h"
#include "kernels/bytes.h"
#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

constexpr const char* kNames[] = {"relu", "relu6", "leaky_relu", "sigmoid",  "tanh",
                                  "exp",  "silu",  "gelu",       "gelu_tanh"};

Activation activation_named(const char* name) {
    for (int i = 0; i < int(std::size(kNames)); ++i) {
        if (std::string_view(kNames[i]) == name) return static_cast<Activation>(i);
    }
    throw std::invalid_argument(std::string("activation: name must be one of relu, relu6, ") +
                                "leaky_relu, sigmoid, tanh, exp, silu, gelu, gelu_tanh, got '" +
                                name + "'");
}

template <class T>
const ElementwiseKernels<T>& elementwise_kernels() {
    const ElementwiseTable& table = TG_PICK(elementwise);
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}
template <class T>
const ChannelKernels<T>& channel_kernels() {
    const ChannelTable& table = TG_PICK(channel);
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}

template <class T>
py::array activate(const char* name, py::handle x, double alpha) {
    const View<const T> v = view<const T>(x, "activation: x", rank_of(x));
    const Activation f = activation_named(name);
    py::array y = new_array<T>(shape_of(x));
    T* out = static_cast<T*>(y.mutable_data());
    const int64_t n = y.size();
    const ElementwisePlan plan = plan_elementwise(f, n, num_threads());
    without_gil(plan.long_work,
                [&] { elementwise_kernels<T>().forward(f, T(alpha), n, plan.team, v.data, out); });
    return y;
}

template <class T>
py::array activate_backward(const char* name, py::handle grad, py::handle saved, double alpha) {
    const View<const T> g = view<const T>(grad, "activation_backward: grad", rank_of(grad));
    const View<const T> s = view<const T>(saved, "activation_backward: saved", rank_of(grad));
    check_same_shape("activation_backward: grad and saved", grad, saved);
    const Activation f = activation_named(name);
    py::array gx = new_array<T>(shape_of(grad));
    T* out = static_cast<T*>(gx.mutable_data());
    const int64_t n = gx.size();
    const ElementwisePlan plan = plan_elementwise(f, n, num_threads());
    without_gil(plan.long_work, [&] {
        elementwise_kernels<T>().backward(f, T(alpha), n, plan.team, g.data, s.data, out);
    });
    return gx;
}

template <class T>
py::array dropout(py::handle x, py::handle draws, double p) {
    const View<const T> v = view<const T>(x, "dropout: x", rank_of(x));
    const View<const T> d = view<const T>(draws, "dropout: draws", rank_of(x));
    check_same_shape("dropout: x and draws", x, draws);
    if (!(p >= 0 && p < 1)) throw std::invalid_argument("dropout: p must be in [0, 1)");
    py::array y = new_array<T>(shape_of(x));
    T* out = static_cast<T*>(y.mutable_data());
    const int64_t n = y.size();
    const ElementwisePlan plan = plan_elementwise(Activation::relu, n, num_threads());
    without_gil(plan.long_work, [&] {
        elementwise_kernels<T>().dropout(T(p), T(1 / (1 - p)), n, plan.team, v.data, d.data, out);
    });
    return y;
}

template <class T>
py::array add_relu(py::handle a, py::handle b) {
    const View<const T> va = view<const T>(a, "add_relu: a", rank_of(a));
    const View<const T> vb = view<const T>(b, "add_relu: b", rank_of(a));
    check_same_shape("add_relu: a and b", a, b);
    py::array y = new_array<T>(shape_of(a));
    T* out = static_cast<T*>(y.mutable_data());
    const int64_t n = y.size();
    const ElementwisePlan plan = plan_elementwise(Activation::relu, n, num_threads());
    without_gil(plan.long_work,
                [&] { elementwise_kernels<T>().add(true, n, plan.team, va.data, vb.data, out); });
    return y;
}

py::array byte_units(py::handle x) {
    const View<const uint8_t> v = view<const uint8_t>(x, "byte_units: x", rank_of(x));
    py::array y = new_array<float>(shape_of(x));
    float* const out = static_cast<float*>(y.mutable_data());
    const ElementwisePlan plan = plan_elementwise(Activation::relu, y.size(), num_threads());
    without_gil(plan.long_work,
                [&] { TG_PICK(byte_kernels).units(y.size(), plan.team, v.data, out); });
    return y;
}

template <class T>
py::array channel_sum(py::handle x) {
    const View<const T> v = view<const T>(x, "channel_sum: x", rank_of(x));
    const ChannelShape g = channel_shape("channel_sum: x", x);
    py::array s = new_array<T>({g.C});
    T* out = static_cast<T*>(s.mutable_data());
    const ChannelPlan plan = plan_channel(g, sizeof(T), num_threads());
    const Buffer<char> scratch = make_buffer<char>(plan.scratch_bytes);
    without_gil(plan.long_work,
                [&] { channel_kernels<T>().sum(g, plan, v.data, out, scratch.get()); });
    return s;
}

template <class T>
py::tuple relu_channel_sum(py::handle grad, py::handle y) {
    const View<const T> gy = view<const T>(grad, "relu_channel_sum: grad", rank_of(grad));
    const View<const T> out = view<const T>(y, "relu_channel_sum: y", rank_of(grad));
    check_same_shape("relu_channel_sum: grad and y", grad, y);
    const ChannelShape g = channel_shape("relu_channel_sum: grad", grad);
    py::array gx = new_array<T>(shape_of(grad)), s = new_array<T>({g.C});
    T *to = static_cast<T*>(gx.mutable_data()), *sums = static_cast<T*>(s.mutable_data());
    const ChannelPlan plan = plan_channel(g, sizeof(T), num_threads());
    const Buffer<char> scratch = make_buffer<char>(plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        channel_kernels<T>().relu(g, plan, gy.data, out.data, to, sums, scratch.get());
    });
    return py::make_tuple(gx, s);
}

}  // namespace

void bind_elementwise(py::module_& m) {
    m.def(
        "activation",
        [](const char* name, py::handle x, double alpha) {
            return has_type<double>(x) ? activate<double>(name, x, alpha)
                                       : activate<float>(name, x, alpha);
        },
        py::arg("name"), py::arg("x"), py::arg("alpha") = 0.0,
        "activation(name: str, x, alpha: float = 0.0) -> numpy.ndarray\n\n"
        "y = f(x); alpha is leaky_relu's slope.");
    m.def(
        "activation_backward",
        [](const char* name, py::handle grad, py::handle saved, double alpha) {
            return has_type<double>(grad) ? activate_backward<double>(name, grad, saved, alpha)
                                          : activate_backward<float>(name, grad, saved, alpha);
        },
        py::arg("name"), py::arg("grad"), py::arg("saved"), py::arg("alpha") = 0.0,
        "activation_backward(name: str, grad, saved, alpha: float = 0.0) -> numpy.ndarray\n\n"
        "gx = grad f'(x); saved is y for relu, relu6, sigmoid, tanh and exp, x for the "
        "others.");
    m.def(
        "dropout",
        [](py::handle x, py::handle draws, double p) {
            return has_type<double>(x) ? dropout<double>(x, draws, p) : dropout<float>(x, draws, p);
        },
        py::arg("x"), py::arg("draws"), py::arg("p"),
        "dropout(x, draws, p: float) -> numpy.ndarray\n\n"
        "y = x / (1 - p) where draws >= p, else 0 x.");
    m.def(
        "add_relu",
        [](py::handle a, py::handle b) {
            return has_type<double>(a) ? add_relu<double>(a, b) : add_relu<float>(a, b);
        },
        py::arg("a"), py::arg("b"),
        "add_relu(a, b) -> numpy.ndarray\n\n"
        "y = max(a + b, 0); NaN stays.");
    m.def("byte_units", &byte_units, py::arg("x"),
          "byte_units(x) -> numpy.ndarray\n\n"
          "y = x / 255, bytes as float32 in [0, 1].");
    m.def(
        "channel_sum",
        [](py::handle x) {
            return has_type<double>(x) ? channel_sum<double>(x) : channel_sum<float>(x);
        },
        py::arg("x"),
        "channel_sum(x) -> numpy.ndarray\n\n"
        "s[c] = sum of x[n, c, ...] over all but the channels: (C,).");
    m.def(
        "relu_channel_sum",
        [](py::handle grad, py::handle y) {
            return has_type<double>(grad) ? relu_channel_sum<double>(grad, y)
                                          : relu_channel_sum<float>(grad, y);
        },
        py::arg("grad"), py::arg("y"),
        "relu_channel_sum(grad, y) -> tuple[numpy.ndarray, numpy.ndarray]\n\n"
        "gx = grad where y > 0 or NaN, else 0; and channel_sum(gx).");
}

}  // namespace tinygrad_cv
