// Pooling at the border: checks shapes and dtypes, plans, releases the GIL, calls.
#include "kernels/pool.h"

#include <algorithm>
#include <utility>

#include "bindings/array.h"
#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

using Pair = std::pair<int64_t, int64_t>;

Pool2dSettings settings(Pair kernel, Pair stride, Pair padding, Pair dilation, bool ceil_mode) {
    return {{kernel.first, kernel.second},
            {stride.first, stride.second},
            {padding.first, padding.second},
            {dilation.first, dilation.second},
            ceil_mode};
}

template <class T>
Pool2dShape shape_of(const char* where, const View<const T>& x, const Pool2dSettings& s) {
    return pool2d_shape(where, x.shape[0] * x.shape[1], {x.shape[2], x.shape[3]}, s);
}

// Throws unless `array` is (planes, P, Q) as the settings and size give them.
template <class T>
void check_output(const char* where, const char* name, const View<T>& array, const Pool2dShape& g) {
    if (array.shape[2] != g.P || array.shape[3] != g.Q ||
        array.shape[0] * array.shape[1] != g.planes) {
        throw std::invalid_argument(
            std::string(where) + ": " + name + " is (" + std::to_string(array.shape[0]) + ", " +
            std::to_string(array.shape[1]) + ", " + std::to_string(array.shape[2]) + ", " +
            std::to_string(array.shape[3]) + ") but an input of " + std::to_string(g.H) + " x " +
            std::to_string(g.W) + " has " + std::to_string(g.P) + " x " + std::to_string(g.Q) +
            " windows in each of " + std::to_string(g.planes) + " planes");
    }
}

template <class T, class A>
const MaxPoolKernels<T, A>& max_kernels() {
    const MaxPoolTable& k = TG_PICK(max_pool);
    constexpr bool byte = sizeof(A) == 1;
    if constexpr (sizeof(T) == 4 && byte) return k.f32_u8;
    if constexpr (sizeof(T) == 4 && !byte) return k.f32_i32;
    if constexpr (sizeof(T) == 8 && byte) return k.f64_u8;
    if constexpr (sizeof(T) == 8 && !byte) return k.f64_i32;
}
template <class T>
const AvgPoolKernels<T>& avg_kernels() {
    if constexpr (sizeof(T) == 4) return TG_PICK(avg_pool).f32;
    if constexpr (sizeof(T) == 8) return TG_PICK(avg_pool).f64;
}

bool byte_argmax(const Pool2dShape& g) { return g.kh * g.kw <= 256; }

template <class T, class A>
py::tuple max_forward(const View<const T>& x, const Pool2dShape& g) {
    const std::vector<py::ssize_t> out = {x.shape[0], x.shape[1], g.P, g.Q};
    py::array y = new_array<T>(out), argmax = new_array<A>(out);
    T* y_data = static_cast<T*>(y.mutable_data());
    A* at_data = static_cast<A*>(argmax.mutable_data());
    const PoolPlan plan = plan_pool_forward(g, sizeof(T), false, num_threads());
    const Buffer<char> scratch = make_buffer<char>(plan.team * plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        max_kernels<T, A>().forward(g, plan, x.data, y_data, at_data, scratch.get());
    });
    return py::make_tuple(y, argmax);
}

template <class T>
py::tuple max_forward_as(py::handle array, const Pool2dSettings& s) {
    const View<const T> x = view<const T>(array, "max_pool2d: x", 4);
    const Pool2dShape g = shape_of("max_pool2d", x, s);
    return byte_argmax(g) ? max_forward<T, uint8_t>(x, g) : max_forward<T, int32_t>(x, g);
}

template <class T, class A>
py::array max_backward(const View<const T>& gy, py::handle index, const Pool2dShape& g) {
    const View<const A> argmax = view<const A>(index, "max_pool2d_backward: argmax", 4);
    check_output("max_pool2d_backward", "argmax", argmax, g);
    py::array gx = new_array<T>({gy.shape[0], gy.shape[1], g.H, g.W});
    T* gx_data = static_cast<T*>(gx.mutable_data());
    const PoolPlan plan = plan_pool_backward(g, sizeof(T), num_threads());
    const Buffer<char> scratch = make_buffer<char>(plan.team * plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        max_kernels<T, A>().backward(g, plan, gy.data, argmax.data, gx_data, scratch.get());
    });
    return gx;
}

template <class T>
py::array max_backward_as(py::handle grad, py::handle argmax, Pair size, const Pool2dSettings& s) {
    const View<const T> gy = view<const T>(grad, "max_pool2d_backward: grad", 4);
    const Pool2dShape g = pool2d_shape("max_pool2d_backward", gy.shape[0] * gy.shape[1],
                                       {size.first, size.second}, s);
    check_output("max_pool2d_backward", "grad", gy, g);
    return byte_argmax(g) ? max_backward<T, uint8_t>(gy, argmax, g)
                          : max_backward<T, int32_t>(gy, argmax, g);
}

template <class T, class A>
py::array max_take(const View<const T>& x, py::handle index, const Pool2dShape& g) {
    const View<const A> argmax = view<const A>(index, "max_pool2d_gather: argmax", 4);
    check_output("max_pool2d_gather", "argmax", argmax, g);
    py::array y = new_array<T>({x.shape[0], x.shape[1], g.P, g.Q});
    T* y_data = static_cast<T*>(y.mutable_data());
    const PoolPlan plan = plan_pool_forward(g, sizeof(T), false, num_threads());
    without_gil(plan.long_work,
                [&] { max_kernels<T, A>().take(g, plan, x.data, argmax.data, y_data); });
    return y;
}

template <class T>
py::array max_take_as(py::handle array, py::handle argmax, const Pool2dSettings& s) {
    const View<const T> x = view<const T>(array, "max_pool2d_gather: x", 4);
    const Pool2dShape g = shape_of("max_pool2d_gather", x, s);
    return byte_argmax(g) ? max_take<T, uint8_t>(x, argmax, g) : max_take<T, int32_t>(x, argmax, g);
}

// What each window divides by, as row_count[p] * col_count[q].
template <class T>
struct Counts {
    Buffer<T> row, col;

    Counts(const Pool2dShape& g, bool include_pad, int64_t divisor)
        : row(make_buffer<T>(g.P)), col(make_buffer<T>(g.Q)) {
        std::vector<double> count(size_t(std::max(g.P, g.Q)), 1.0);
        if (divisor == 0) window_counts(g.P, g.H, g.kh, g.sh, g.ph, include_pad, count.data());
        for (int64_t p = 0; p < g.P; ++p) row[p] = T(count[size_t(p)]);
        if (divisor == 0) window_counts(g.Q, g.W, g.kw, g.sw, g.pw, include_pad, count.data());
        for (int64_t q = 0; q < g.Q; ++q) {
            col[q] = divisor == 0 ? T(count[size_t(q)]) : T(divisor);
        }
    }
};

template <class T>
py::array avg_forward_as(py::handle array, const Pool2dSettings& s, bool include_pad,
                         int64_t divisor) {
    const View<const T> x = view<const T>(array, "avg_pool2d: x", 4);
    const Pool2dShape g = shape_of("avg_pool2d", x, s);
    const Counts<T> counts(g, include_pad, divisor);
    py::array y = new_array<T>({x.shape[0], x.shape[1], g.P, g.Q});
    T* y_data = static_cast<T*>(y.mutable_data());
    const PoolPlan plan = plan_pool_forward(g, sizeof(T), true, num_threads());
    const Buffer<char> scratch = make_buffer<char>(plan.team * plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        avg_kernels<T>().forward(g, plan, x.data, counts.row.get(), counts.col.get(), y_data,
                                 scratch.get());
    });
    return y;
}

template <class T>
py::array avg_backward_as(py::handle grad, Pair size, const Pool2dSettings& s, bool include_pad,
                          int64_t divisor) {
    const View<const T> gy = view<const T>(grad, "avg_pool2d_backward: grad", 4);
    const Pool2dShape g = pool2d_shape("avg_pool2d_backward", gy.shape[0] * gy.shape[1],
                                       {size.first, size.second}, s);
    check_output("avg_pool2d_backward", "grad", gy, g);
    const Counts<T> counts(g, include_pad, divisor);
    py::array gx = new_array<T>({gy.shape[0], gy.shape[1], g.H, g.W});
    T* gx_data = static_cast<T*>(gx.mutable_data());
    const PoolPlan plan = plan_pool_backward(g, sizeof(T), num_threads());
    const Buffer<char> scratch = make_buffer<char>(plan.team * plan.scratch_bytes);
    without_gil(plan.long_work, [&] {
        avg_kernels<T>().backward(g, plan, gy.data, counts.row.get(), counts.col.get(), gx_data,
                                  scratch.get());
    });
    return gx;
}

bool is_double(py::handle array, const char* name) {
    if (has_type<double>(array)) return true;
    if (!has_type<float>(array)) refuse_type(array, name, "float32 or float64");
    return false;
}

}  // namespace

void bind_pool(py::module_& m) {
    m.def(
        "max_pool2d",
        [](py::handle x, Pair kernel, Pair stride, Pair padding, Pair dilation, bool ceil_mode) {
            const Pool2dSettings s = settings(kernel, stride, padding, dilation, ceil_mode);
            return is_double(x, "max_pool2d: x") ? max_forward_as<double>(x, s)
                                                 : max_forward_as<float>(x, s);
        },
        py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
        py::arg("ceil_mode"),
        "max_pool2d(x, kernel, stride, padding, dilation, ceil_mode) -> (y, argmax)\n\n"
        "y[n, c, p, q] is the largest tap of a window, argmax its tap i * KW + j.");
    m.def(
        "max_pool2d_backward",
        [](py::handle grad, py::handle argmax, Pair size, Pair kernel, Pair stride, Pair padding,
           Pair dilation, bool ceil_mode) {
            const Pool2dSettings s = settings(kernel, stride, padding, dilation, ceil_mode);
            return is_double(grad, "max_pool2d_backward: grad")
                       ? max_backward_as<double>(grad, argmax, size, s)
                       : max_backward_as<float>(grad, argmax, size, s);
        },
        py::arg("grad"), py::arg("argmax"), py::arg("size"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode"),
        "max_pool2d_backward(grad, argmax, size, kernel, stride, padding, dilation, ceil_mode) -> "
        "gx\n\ngx is the sum of the gradients whose argmax names the element.");
    m.def(
        "max_pool2d_gather",
        [](py::handle x, py::handle argmax, Pair kernel, Pair stride, Pair padding, Pair dilation,
           bool ceil_mode) {
            const Pool2dSettings s = settings(kernel, stride, padding, dilation, ceil_mode);
            return is_double(x, "max_pool2d_gather: x") ? max_take_as<double>(x, argmax, s)
                                                        : max_take_as<float>(x, argmax, s);
        },
        py::arg("x"), py::arg("argmax"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("ceil_mode"),
        "max_pool2d_gather(x, argmax, kernel, stride, padding, dilation, ceil_mode) -> y\n\n"
        "y[n, c, p, q] is the tap of x that argmax names.");
    m.def(
        "avg_pool2d",
        [](py::handle x, Pair kernel, Pair stride, Pair padding, bool ceil_mode, bool include_pad,
           int64_t divisor) {
            const Pool2dSettings s = settings(kernel, stride, padding, {1, 1}, ceil_mode);
            return is_double(x, "avg_pool2d: x")
                       ? avg_forward_as<double>(x, s, include_pad, divisor)
                       : avg_forward_as<float>(x, s, include_pad, divisor);
        },
        py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
        py::arg("ceil_mode"), py::arg("include_pad"), py::arg("divisor"),
        "avg_pool2d(x, kernel, stride, padding, ceil_mode, include_pad, divisor) -> y\n\n"
        "y[n, c, p, q] is a window's sum over its count, or over divisor if that is not 0.");
    m.def(
        "avg_pool2d_backward",
        [](py::handle grad, Pair size, Pair kernel, Pair stride, Pair padding, bool ceil_mode,
           bool include_pad, int64_t divisor) {
            const Pool2dSettings s = settings(kernel, stride, padding, {1, 1}, ceil_mode);
            return is_double(grad, "avg_pool2d_backward: grad")
                       ? avg_backward_as<double>(grad, size, s, include_pad, divisor)
                       : avg_backward_as<float>(grad, size, s, include_pad, divisor);
        },
        py::arg("grad"), py::arg("size"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
        py::arg("ceil_mode"), py::arg("include_pad"), py::arg("divisor"),
        "avg_pool2d_backward(grad, size, kernel, stride, padding, ceil_mode, include_pad, divisor) "
        "-> gx\n\ngx spreads each gradient over its window, divided as the forward pass divided.");
}

}  // namespace tinygrad_cv
