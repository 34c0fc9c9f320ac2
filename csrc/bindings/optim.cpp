// Steps of optimizers, as Python sees them.
#include "kernels/optim.h"

#include "bindings/array.h"
#include "bindings/channels.h"
#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

template <class T>
const OptimKernels<T>& kernels() {
    const OptimTable& table = TG_PICK(optim);
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}

// Arrays of one shape, those that are changed first; null for None.
template <class T>
T* changed(const char* name, py::handle h, py::handle w) {
    if (h.is_none()) return nullptr;
    T* data = view<T>(h, name, rank_of(w)).data;
    check_same_shape(name, h, w);
    return data;
}

int64_t size_of(py::handle w) { return py::reinterpret_borrow<py::array>(w).size(); }

// Threads for n elements of which some 5 arrays pass through memory.
int team(int64_t n) { return team_for(n, int64_t(1) << 15, num_threads()); }
constexpr int64_t kLong = int64_t(1) << 16;

template <class T>
void sgd(py::handle w, py::handle grad, py::handle v, double lr, double momentum, double keep,
         double decay, bool nesterov, bool maximize) {
    T* at = view<T>(w, "sgd_step: w", rank_of(w)).data;
    const T* g = view<const T>(grad, "sgd_step: grad", rank_of(w)).data;
    check_same_shape("sgd_step: grad and w", grad, w);
    T* speed = changed<T>("sgd_step: velocity", v, w);
    const SgdStep<T> s = {T(lr), T(momentum), T(keep), T(decay), T(maximize ? -1 : 1), nesterov};
    const int64_t n = size_of(w);
    without_gil(n > kLong, [&] { kernels<T>().sgd(s, n, team(n), g, at, speed); });
}

template <class T>
void adam(py::handle w, py::handle grad, py::handle m, py::handle v, py::handle top, double beta1,
          double beta2, double step, double divisor, double eps, double decay, double shrink,
          bool maximize) {
    T* at = view<T>(w, "adam_step: w", rank_of(w)).data;
    const T* g = view<const T>(grad, "adam_step: grad", rank_of(w)).data;
    check_same_shape("adam_step: grad and w", grad, w);
    T* mean = changed<T>("adam_step: exp_avg", m, w);
    T* square = changed<T>("adam_step: exp_avg_sq", v, w);
    T* most = changed<T>("adam_step: max_exp_avg_sq", top, w);
    if (!mean || !square) {
        throw py::type_error("adam_step: exp_avg and exp_avg_sq must be arrays");
    }
    const AdamStep<T> s = {T(1 - beta1), T(beta2),   T(1 - beta2),
                           T(step),      T(divisor), T(eps),
                           T(decay),     T(shrink),  T(maximize ? -1 : 1)};
    const int64_t n = size_of(w);
    without_gil(n > kLong, [&] { kernels<T>().adam(s, n, team(n), g, at, mean, square, most); });
}

}  // namespace

void bind_optim(py::module_& m) {
    m.def(
        "sgd_step",
        [](py::handle w, py::handle grad, py::handle velocity, double lr, double momentum,
           double keep, double decay, bool nesterov, bool maximize) {
            (has_type<double>(w) ? sgd<double> : sgd<float>)(w, grad, velocity, lr, momentum, keep,
                                                             decay, nesterov, maximize);
        },
        py::arg("w"), py::arg("grad"), py::arg("velocity"), py::arg("lr"), py::arg("momentum"),
        py::arg("keep"), py::arg("decay"), py::arg("nesterov"), py::arg("maximize"),
        "sgd_step(w, grad, velocity, lr, momentum, keep, decay, nesterov, maximize) -> None\n\n"
        "In place: d = ±grad + decay w; velocity = momentum velocity + keep d; w -= lr velocity,\n"
        "or lr (d + momentum velocity) with nesterov; velocity None: w -= lr d.");
    m.def(
        "adam_step",
        [](py::handle w, py::handle grad, py::handle exp_avg, py::handle exp_avg_sq,
           py::handle max_exp_avg_sq, double beta1, double beta2, double step, double divisor,
           double eps, double decay, double shrink, bool maximize) {
            (has_type<double>(w) ? adam<double>
                                 : adam<float>)(w, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, beta1,
                                                beta2, step, divisor, eps, decay, shrink, maximize);
        },
        py::arg("w"), py::arg("grad"), py::arg("exp_avg"), py::arg("exp_avg_sq"),
        py::arg("max_exp_avg_sq"), py::arg("beta1"), py::arg("beta2"), py::arg("step"),
        py::arg("divisor"), py::arg("eps"), py::arg("decay"), py::arg("shrink"),
        py::arg("maximize"),
        "adam_step(w, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, beta1, beta2, step, divisor, eps,"
        "\n          decay, shrink, maximize) -> None\n\n"
        "In place: w *= shrink; d = ±grad + decay w; exp_avg and exp_avg_sq take d and d^2 in;\n"
        "w -= step exp_avg / (sqrt(exp_avg_sq) / divisor + eps), with max_exp_avg_sq its largest.");
}

}  // namespace tinygrad_cv
