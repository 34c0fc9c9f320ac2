// Matrix multiplication, as Python sees it.
#include "kernels/matmul.h"

#include "bindings/array.h"

namespace tinygrad_cv {
namespace {

template <class T>
MatmulOperand operand(py::handle h, const char* name, const T** data) {
    const int ndim = py::isinstance<py::array>(h) ? py::detail::array_proxy(h.ptr())->nd : 0;
    const View<const T> v = strided_view<const T>(h, name, ndim);
    MatmulOperand x;
    x.shape.assign(v.shape, v.shape + ndim);
    x.strides.assign(v.strides, v.strides + ndim);
    for (int64_t& stride : x.strides) stride /= int64_t(sizeof(T));
    *data = v.data;
    return x;
}

template <class T>
const T* bias_data(py::handle bias, int64_t N) {
    if (bias.is_none()) return nullptr;
    const View<const T> v = view<const T>(bias, "matmul: bias", 1);
    if (v.shape[0] != N) {
        throw std::invalid_argument("matmul: bias has " + std::to_string(v.shape[0]) +
                                    " elements but b has " + std::to_string(N) + " columns");
    }
    return v.data;
}

template <class T>
struct Call {
    MatmulShape shape;
    MatmulArgs<T> args;
    MatmulPlan plan;
};

template <class T>
void fill(Call<T>& call, py::handle a, py::handle b, const std::string& force) {
    MatmulArgs<T>& g = call.args;
    const MatmulOperand x = operand<T>(a, "matmul: a", &g.a);
    const MatmulOperand y = operand<T>(b, "matmul: b", &g.b);
    call.shape = matmul_shape(x, y);
    const MatmulShape& s = call.shape;
    g.M = s.M, g.N = s.N, g.K = s.K;
    g.a_m = s.a_m, g.a_k = s.a_k, g.b_k = s.b_k, g.b_n = s.b_n;
    g.c_m = s.N, g.c_n = 1;
    g.batch = int64_t(s.a_at.size());
    g.a_at = s.a_at.data(), g.b_at = s.b_at.data();
    g.bias = nullptr, g.bias_m = 0, g.bias_n = 1;
    g.relu = false;
    g.c = nullptr;
    if (force.empty()) {
        call.plan = plan_matmul(g, machine());
        return;
    }
    const bool swapped = force.rfind("swapped_", 0) == 0;
    const std::string name = swapped ? force.substr(8) : force;
    for (MatmulForm form :
         {MatmulForm::dot, MatmulForm::direct, MatmulForm::pack_b, MatmulForm::pack_ab}) {
        if (name != matmul_form_name(form)) continue;
        call.plan = plan_matmul(g, machine(), form, swapped);
        return;
    }
    throw std::invalid_argument(
        "matmul: form must be dot, direct, pack_b or pack_ab, with or without swapped_, got '" +
        force + "'");
}

template <class T>
py::object multiply(py::handle a, py::handle b, py::handle bias, bool relu,
                    const std::string& form) {
    Call<T> call;
    fill(call, a, b, form);
    call.args.bias = bias_data<T>(bias, call.args.N);
    call.args.relu = relu;
    const std::vector<int64_t>& result = call.shape.result;
    py::array c = new_array<T>(std::vector<py::ssize_t>(result.begin(), result.end()));
    call.args.c = static_cast<T*>(c.mutable_data());
    without_gil(call.plan.long_enough, [&] { matmul(call.args, call.plan); });
    return c;
}

template <class T>
py::dict describe(py::handle a, py::handle b) {
    Call<T> call;
    fill(call, a, b, "");
    const MatmulPlan& p = call.plan;
    py::dict d;
    d["form"] = (p.swapped ? "swapped_" : "") + std::string(matmul_form_name(p.form));
    d["why"] = p.why;
    d["blocks"] = py::make_tuple(p.mc, p.nc, p.kc);
    d["jobs"] = py::make_tuple(p.jobs_batch, p.jobs_m, p.jobs_n);
    d["scratch_bytes"] = p.scratch_elements * int64_t(sizeof(T));
    return d;
}

}  // namespace

void bind_matmul(py::module_& m) {
    m.def(
        "matmul",
        [](py::handle a, py::handle b, py::handle bias, bool relu, const std::string& form) {
            return has_type<double>(a) ? multiply<double>(a, b, bias, relu, form)
                                       : multiply<float>(a, b, bias, relu, form);
        },
        py::arg("a"), py::arg("b"), py::arg("bias") = py::none(), py::arg("relu") = false,
        py::arg("form") = "",
        "matmul(a, b, bias=None, relu=False, form='') -> numpy.ndarray\n\n"
        "a (..., M, K) times b (..., K, N), any strides, plus bias (N,), then relu: (..., M, N).\n"
        "form forces an algorithm: dot, direct, pack_b or pack_ab, with or without swapped_.\n\n"
        "c[i, j] = act(sum_k a[i, k] b[k, j] + bias[j])");
    m.def(
        "matmul_plan",
        [](py::handle a, py::handle b) {
            return has_type<double>(a) ? describe<double>(a, b) : describe<float>(a, b);
        },
        py::arg("a"), py::arg("b"),
        "matmul_plan(a, b) -> dict\n\nThe algorithm that matmul would take, and why.");
}

}  // namespace tinygrad_cv
