// Convolution at the border: views, shape, plan, call.
#include "kernels/conv.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "bindings/array.h"

namespace tinygrad_cv {
namespace {

using Pair = std::pair<int64_t, int64_t>;
struct Settings {
    Pair stride, padding, dilation;
    int64_t groups;
};

Settings read_settings(const py::tuple& t) {
    if (t.size() != 4) {
        throw py::value_error("settings must be (stride, padding, dilation, groups), got " +
                              std::to_string(t.size()) + " entries");
    }
    return {t[0].cast<Pair>(), t[1].cast<Pair>(), t[2].cast<Pair>(), t[3].cast<int64_t>()};
}

bool exact_float32 = false;  // float32_precision("exact"); set and read with the GIL held

ConvOptions options() {
    ConvOptions o;
    o.exact = exact_float32;
    const char* name = std::getenv("TINYGRAD_CV_CONV");
    if (!name || !*name) return o;
    std::string known;
    for (int i = 0; i < kConvAlgos; ++i) {
        const auto algo = static_cast<ConvAlgo>(i);
        if (std::strcmp(name, conv_algo_name(algo)) == 0) {
            o.forced = algo;
            return o;
        }
        known += (i ? ", " : "") + std::string(conv_algo_name(algo));
    }
    throw std::invalid_argument("TINYGRAD_CV_CONV must be one of " + known + ", got '" + name +
                                "'");
}

constexpr int64_t kReleaseWork = 500'000;  // about 20 us: from here on the GIL is let go

Conv2dShape shape_of(const char* where, const int64_t x[4], const int64_t w[4], const Settings& s) {
    return conv2d_shape(where, x, w, s.stride.first, s.stride.second, s.padding.first,
                        s.padding.second, s.dilation.first, s.dilation.second, s.groups);
}

std::string text(const py::ssize_t* s) {
    return "(" + std::to_string(s[0]) + ", " + std::to_string(s[1]) + ", " + std::to_string(s[2]) +
           ", " + std::to_string(s[3]) + ")";
}

void check_grad(const char* where, const Conv2dShape& g, const py::ssize_t* grad) {
    const py::ssize_t want[4] = {g.N, g.K, g.P, g.Q};
    if (!std::equal(want, want + 4, grad)) {
        throw py::value_error(std::string(where) + ": grad has shape " + text(grad) +
                              " but input, weight and settings give " + text(want));
    }
}

template <class T>
py::array forward(py::handle x, py::handle w, py::handle bias, const py::tuple& settings,
                  bool relu) {
    const auto vx = view<const T>(x, "conv2d: input", 4),
               vw = view<const T>(w, "conv2d: weight", 4);
    const int64_t xs[4] = {vx.shape[0], vx.shape[1], vx.shape[2], vx.shape[3]};
    const int64_t ws[4] = {vw.shape[0], vw.shape[1], vw.shape[2], vw.shape[3]};
    const Conv2dShape g = shape_of("conv2d", xs, ws, read_settings(settings));
    const T* b = nullptr;
    if (!bias.is_none()) {
        const auto vb = view<const T>(bias, "conv2d: bias", 1);
        if (vb.shape[0] != g.K) {
            throw py::value_error("conv2d: bias has " + std::to_string(vb.shape[0]) +
                                  " entries but weight " + text(vw.shape) + " has " +
                                  std::to_string(g.K) + " output channels");
        }
        b = vb.data;
    }
    const ConvPlan plan = plan_conv2d(g, ConvPass::forward, sizeof(T), machine(), options());
    py::array y = new_array<T>({g.N, g.K, g.P, g.Q});
    T* out = static_cast<T*>(y.mutable_data());
    without_gil(plan.work > kReleaseWork,
                [&] { conv2d<T>(g, plan, vx.data, vw.data, b, relu, out); });
    return y;
}

template <class T>
py::array backward_input(py::handle grad, py::handle w, Pair size, const py::tuple& settings) {
    const char* where = "conv2d_backward_input";
    const auto vg = view<const T>(grad, "conv2d_backward_input: grad", 4);
    const auto vw = view<const T>(w, "conv2d_backward_input: weight", 4);
    const Settings s = read_settings(settings);
    const int64_t ws[4] = {vw.shape[0], vw.shape[1], vw.shape[2], vw.shape[3]};
    const int64_t xs[4] = {vg.shape[0], ws[1] * s.groups, size.first, size.second};
    const Conv2dShape g = shape_of(where, xs, ws, s);
    check_grad(where, g, vg.shape);
    const ConvPlan plan = plan_conv2d(g, ConvPass::backward_input, sizeof(T), machine(), options());
    py::array gx = new_array<T>({g.N, g.C, g.H, g.W});
    T* out = static_cast<T*>(gx.mutable_data());
    without_gil(plan.work > kReleaseWork,
                [&] { conv2d_backward_input<T>(g, plan, vg.data, vw.data, out); });
    return gx;
}

template <class T>
py::array backward_weight(py::handle x, py::handle grad, Pair kernel, const py::tuple& settings) {
    const char* where = "conv2d_backward_weight";
    const auto vx = view<const T>(x, "conv2d_backward_weight: input", 4);
    const auto vg = view<const T>(grad, "conv2d_backward_weight: grad", 4);
    const Settings s = read_settings(settings);
    const int64_t xs[4] = {vx.shape[0], vx.shape[1], vx.shape[2], vx.shape[3]};
    const int64_t c_group = s.groups > 0 ? xs[1] / s.groups : xs[1];
    const int64_t ws[4] = {vg.shape[1], c_group, kernel.first, kernel.second};
    const Conv2dShape g = shape_of(where, xs, ws, s);
    check_grad(where, g, vg.shape);
    const ConvPlan plan =
        plan_conv2d(g, ConvPass::backward_weight, sizeof(T), machine(), options());
    py::array gw = new_array<T>({g.K, c_group, g.R, g.S});
    T* out = static_cast<T*>(gw.mutable_data());
    without_gil(plan.work > kReleaseWork,
                [&] { conv2d_backward_weight<T>(g, plan, vx.data, vg.data, out); });
    return gw;
}

// What plan_conv2d would do, without running it.
py::dict describe(const std::array<int64_t, 4>& x, const std::array<int64_t, 4>& w,
                  const py::tuple& settings, const std::string& pass, int64_t itemsize,
                  int threads) {
    static const std::pair<const char*, ConvPass> passes[] = {
        {"forward", ConvPass::forward},
        {"backward_input", ConvPass::backward_input},
        {"backward_weight", ConvPass::backward_weight}};
    if (itemsize != 4 && itemsize != 8) {
        throw py::value_error("conv2d_plan: itemsize must be 4 or 8, got " +
                              std::to_string(itemsize));
    }
    const Conv2dShape g = shape_of("conv2d_plan", x.data(), w.data(), read_settings(settings));
    Machine m = machine();
    if (threads > 0) m.threads = threads;
    for (const auto& [name, value] : passes) {
        if (pass != name) continue;
        const ConvPlan plan = plan_conv2d(g, value, itemsize, m, options());
        py::dict d;
        d["algorithm"] = conv_algo_name(plan.algo);
        d["why"] = plan.why;
        d["threads"] = plan.team;
        d["scratch_bytes"] = plan.scratch * plan.team * itemsize;
        return d;
    }
    throw py::value_error(
        "conv2d_plan: pass must be forward, backward_input or backward_weight, got '" + pass + "'");
}

}  // namespace

void bind_conv(py::module_& m) {
    m.def(
        "conv2d",
        [](py::handle x, py::handle w, py::handle bias, const py::tuple& settings, bool relu) {
            return has_type<double>(x) ? forward<double>(x, w, bias, settings, relu)
                                       : forward<float>(x, w, bias, settings, relu);
        },
        py::arg("x"), py::arg("w"), py::arg("bias"), py::arg("settings"), py::arg("relu") = false,
        "conv2d(x, w, bias, settings, relu=False) -> ndarray\n\n"
        "y[n,k,p,q] = bias[k] + sum x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw] * w[k,c,r,s]");
    m.def(
        "conv2d_backward_input",
        [](py::handle grad, py::handle w, Pair size, const py::tuple& settings) {
            return has_type<double>(grad) ? backward_input<double>(grad, w, size, settings)
                                          : backward_input<float>(grad, w, size, settings);
        },
        py::arg("grad"), py::arg("w"), py::arg("size"), py::arg("settings"),
        "conv2d_backward_input(grad, w, size, settings) -> ndarray\n\n"
        "gx[n,c,h,w] = sum grad[n,k,p,q] * w[k,c,r,s] over the pixels that read it");
    m.def(
        "conv2d_backward_weight",
        [](py::handle x, py::handle grad, Pair kernel, const py::tuple& settings) {
            return has_type<double>(x) ? backward_weight<double>(x, grad, kernel, settings)
                                       : backward_weight<float>(x, grad, kernel, settings);
        },
        py::arg("x"), py::arg("grad"), py::arg("kernel"), py::arg("settings"),
        "conv2d_backward_weight(x, grad, kernel, settings) -> ndarray\n\n"
        "gw[k,c,r,s] = sum grad[n,k,p,q] * x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw]");
    m.def("conv2d_plan", &describe, py::arg("x"), py::arg("w"), py::arg("settings"),
          py::arg("pass_"), py::arg("itemsize") = 4, py::arg("threads") = 0,
          "conv2d_plan(x, w, settings, pass_, itemsize=4, threads=0) -> dict\n\n"
          "The algorithm for shapes x and w, why, threads and scratch bytes; nothing is computed.\n"
          "pass_: 'forward', 'backward_input' or 'backward_weight'; threads 0: as set.");
    m.def(
        "set_float32_precision",
        [](const std::string& precision) {
            if (precision != "fast" && precision != "exact") {
                throw py::value_error(
                    "set_float32_precision: precision must be 'fast' or "
                    "'exact', got '" +
                    precision + "'");
            }
            exact_float32 = precision == "exact";
        },
        py::arg("precision"),
        "set_float32_precision(precision: str) -> None\n\n"
        "'fast' (default): any algorithm; 'exact': none with more error than the plain sum.");
    m.def(
        "get_float32_precision", [] { return exact_float32 ? "exact" : "fast"; },
        "get_float32_precision() -> str");
}

}  // namespace tinygrad_cv
