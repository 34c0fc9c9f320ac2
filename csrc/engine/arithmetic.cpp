// Arithmetic on small dense float arrays: what NumPy's operators give, bit for bit, at a sixth of
// their price, which is nearly all set-up.
//
// Operands are exact numpy.ndarrays of native float32 or float64, dense, of one shape, or one of
// them a Python number that the dtype takes as it is. Everything else is the Python function's.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "bindings/array.h"
#include "engine/shortcut.h"
#include "kernels/elementwise.h"
#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

using np = py::detail::npy_api;
using Array = const py::detail::PyArray_Proxy;

// Above, NumPy's loops, which use the machine's widest vectors, win over these baseline ones.
constexpr Py_ssize_t kSmall = 1024;
// From here on gates may call kernels of the backends, whose results differ in the last bit.
constexpr Py_ssize_t kKernels = 256;

Py_ssize_t size_of(Array* a) {
    Py_ssize_t n = 1;
    for (int i = 0; i < a->nd; ++i) n *= a->dimensions[i];
    return n;
}

bool dense(Array* a) {
    constexpr int need = np::NPY_ARRAY_C_CONTIGUOUS_ | np::NPY_ARRAY_ALIGNED_;
    return (a->flags & need) == need;
}

// NumPy has one descriptor object for each native type; arrays of the other byte order have others.
template <class T>
PyObject* descriptor() {
    static PyObject* const d =
        np::get().PyArray_DescrFromType_(sizeof(T) == 4 ? np::NPY_FLOAT_ : np::NPY_DOUBLE_);
    return d;
}

PyObject* new_like(Array* a) {
    PyObject* descr = new_reference(a->descr);
    return np::get().PyArray_NewFromDescr_(np::get().PyArray_Type_, descr, a->nd, a->dimensions,
                                           nullptr, nullptr, 0, nullptr);
}

template <class T>
T* data_of(PyObject* array) {
    return reinterpret_cast<T*>(array_of(array)->data);
}

// Whether T takes the Python number without rounding or overflow.
template <class T>
bool exact_number(PyObject* number, T* out) {
    double value;
    if (PyFloat_CheckExact(number)) {
        value = PyFloat_AS_DOUBLE(number);
    } else if (PyLong_CheckExact(number)) {
        int overflow = 0;
        const long long whole = PyLong_AsLongLongAndOverflow(number, &overflow);
        if (overflow != 0 || whole > (1 << 24) || whole < -(1 << 24)) return false;
        value = double(whole);
    } else {
        return false;
    }
    *out = T(value);
    return std::isfinite(double(*out));
}

// All values finite; in integers, so that the loop is one of vectors.
template <class T, class Bits, Bits kExponent>
bool finite_bits(const T* x, Py_ssize_t n) {
    Bits bad = 0;
    for (Py_ssize_t i = 0; i < n; ++i) {
        Bits bits;
        std::memcpy(&bits, x + i, sizeof bits);
        bad |= Bits((bits & kExponent) == kExponent);
    }
    return bad == 0;
}
bool all_finite(const float* x, Py_ssize_t n) {
    return finite_bits<float, uint32_t, 0x7f800000u>(x, n);
}
bool all_finite(const double* x, Py_ssize_t n) {
    return finite_bits<double, uint64_t, 0x7ff0000000000000u>(x, n);
}

struct Plus {
    template <class T>
    T operator()(T a, T b) const {
        return a + b;
    }
};
struct Minus {
    template <class T>
    T operator()(T a, T b) const {
        return a - b;
    }
};
struct Times {
    template <class T>
    T operator()(T a, T b) const {
        return a * b;
    }
};
struct TanhBackward {  // of the gradient and the gate's value, as gates/activation.py has it
    template <class T>
    T operator()(T g, T y) const {
        return g - g * y * y;
    }
};

template <class T, class Op>
PyObject* combine(PyObject* a, PyObject* b, Op op) {
    const bool array_a = is_array(a), array_b = is_array(b);
    Array* like = array_of(array_a ? a : b);
    T number_a, number_b;
    if (array_a && array_b ? !same_shape(like, array_of(b))
                           : !exact_number<T>(array_a ? b : a, array_a ? &number_b : &number_a)) {
        return nullptr;
    }
    PyObject* out = new_like(like);
    if (out == nullptr) return nullptr;
    const Py_ssize_t n = size_of(like);
    T* __restrict y = data_of<T>(out);
    if (!array_a) {
        const T* q = data_of<T>(b);
        for (Py_ssize_t i = 0; i < n; ++i) y[i] = op(number_a, q[i]);
    } else if (!array_b) {
        const T* p = data_of<T>(a);
        for (Py_ssize_t i = 0; i < n; ++i) y[i] = op(p[i], number_b);
    } else {
        const T *p = data_of<T>(a), *q = data_of<T>(b);
        for (Py_ssize_t i = 0; i < n; ++i) y[i] = op(p[i], q[i]);
    }
    return out;
}

bool small_floats(PyObject* x, Py_ssize_t most, PyObject** descr) {
    if (!is_array(x)) return true;  // a number, or for combine to decline
    Array* a = array_of(x);
    if (*descr != nullptr && a->descr != *descr) return false;
    *descr = a->descr;
    return dense(a) && size_of(a) <= most;
}

template <class Op>
PyObject* elementwise(PyObject* const* args, Py_ssize_t count, Op op, Py_ssize_t most = kSmall) {
    PyObject* descr = nullptr;
    if (count != 2 || !small_floats(args[0], most, &descr) ||
        !small_floats(args[1], most, &descr)) {
        return nullptr;
    }
    if (descr == nullptr) return nullptr;
    if (descr == descriptor<float>()) return combine<float>(args[0], args[1], op);
    if (descr == descriptor<double>()) return combine<double>(args[0], args[1], op);
    return nullptr;
}

// A forward pass warns of overflow and invalid values as the user's np.errstate says: NumPy does it.
PyObject* if_finite(PyObject* out) {
    if (out == nullptr) return nullptr;
    Array* a = array_of(out);
    const bool finite = a->descr == descriptor<float>()
                            ? all_finite(data_of<float>(out), size_of(a))
                            : all_finite(data_of<double>(out), size_of(a));
    if (finite) return out;
    Py_DECREF(out);
    return nullptr;
}

bool is_below_mask() {
    PyObject* value = nullptr;
    if (PyContextVar_Get(engine.below_mask, nullptr, &value) < 0) return true;
    const bool below = value != Py_False;
    Py_XDECREF(value);
    return below;
}

PyObject* plus(PyObject* const* args, Py_ssize_t count) {
    return if_finite(elementwise(args, count, Plus()));
}
PyObject* minus(PyObject* const* args, Py_ssize_t count) {
    return if_finite(elementwise(args, count, Minus()));
}
PyObject* times(PyObject* const* args, Py_ssize_t count) {
    return if_finite(elementwise(args, count, Times()));
}
PyObject* chain(PyObject* const* args, Py_ssize_t count) {
    return is_below_mask() ? nullptr : elementwise(args, count, Times());
}
PyObject* tanh_backward(PyObject* const* args, Py_ssize_t count) {
    return is_below_mask() ? nullptr : elementwise(args, count, TanhBackward(), kKernels - 1);
}

bool has_shape(Array* a, PyObject* shape) {
    if (!PyTuple_CheckExact(shape) || PyTuple_GET_SIZE(shape) != a->nd) return false;
    for (int i = 0; i < a->nd; ++i) {
        PyObject* length = PyTuple_GET_ITEM(shape, i);
        if (!PyLong_CheckExact(length) || PyLong_AsSsize_t(length) != a->dimensions[i])
            return false;
    }
    return true;
}

// The gradient itself where it has the shape already.
PyObject* unbroadcast(PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || !is_array(args[0]) || !has_shape(array_of(args[0]), args[1])) return nullptr;
    return new_reference(args[0]);
}

// One pair for gates of one shape after the other: three tuples less for each.
PyObject* shapes_of(PyObject* const* args, Py_ssize_t count) {
    static PyObject* last = PyTuple_Pack(2, Py_None, Py_None);
    if (count != 2 || !is_array(args[0]) || !is_array(args[1])) return nullptr;
    Array* a = array_of(args[0]);
    if (!same_shape(a, array_of(args[1]))) return nullptr;
    if (!has_shape(a, PyTuple_GET_ITEM(last, 0))) {
        PyObject* shape = PyTuple_New(a->nd);
        if (shape == nullptr) return nullptr;
        for (int i = 0; i < a->nd; ++i) {
            PyTuple_SET_ITEM(shape, i, PyLong_FromSsize_t(a->dimensions[i]));
        }
        PyObject* pair = PyTuple_Pack(2, shape, shape);
        Py_DECREF(shape);
        if (pair == nullptr) return nullptr;
        Py_SETREF(last, pair);
    }
    return new_reference(last);
}

template <class T>
void add_into(PyObject* to, PyObject* a, PyObject* b) {
    const T *p = data_of<T>(a), *q = data_of<T>(b);
    T* y = data_of<T>(to);
    const Py_ssize_t n = size_of(array_of(to));
    if (n <= kSmall) {
        for (Py_ssize_t i = 0; i < n; ++i) y[i] = p[i] + q[i];
        return;
    }
    const ElementwiseTable& table = TG_PICK(elementwise);
    const ElementwisePlan plan = plan_elementwise(Activation::relu, n, num_threads());
    without_gil(plan.long_work, [&] {
        if constexpr (sizeof(T) == 4) {
            table.f32.add(false, n, plan.team, p, q, y);
        } else {
            table.f64.add(false, n, plan.team, p, q, y);
        }
    });
}

// An array that nobody else refers to, nor to its memory: its own, or a block of the pool.
bool sole(PyObject* array) {
    PyObject* base = array_of(array)->base;
    return Py_REFCNT(array) == 1 && (array_of(array)->flags & np::NPY_ARRAY_WRITEABLE_) != 0 &&
           (base == nullptr || (PyCapsule_CheckExact(base) && Py_REFCNT(base) == 1));
}

// Of large dense arrays: in memory of the pool, which is warm, unlike NumPy's.
template <class T>
PyObject* large_sum(PyObject* a, PyObject* b) {
    Array* x = array_of(a);
    PyObject* sum = new_array<T>(std::vector<py::ssize_t>(x->dimensions, x->dimensions + x->nd))
                        .release()
                        .ptr();
    add_into<T>(sum, a, b);
    return sum;
}

}  // namespace

PyObject* add_up(PyObject* a, PyObject* b) {
    PyObject* sum = nullptr;
    if (is_array(a) && is_array(b)) {
        Array *x = array_of(a), *y = array_of(b);
        const bool alike = x->descr == y->descr && same_shape(x, y);
        const bool ours = alike && sole(a), plain = alike && dense(x) && dense(y);
        const bool f32 = plain && x->descr == descriptor<float>();
        const bool f64 = plain && x->descr == descriptor<double>();
        if (ours && f32) {
            add_into<float>(a, a, b);
            return a;
        }
        if (ours && f64) {
            add_into<double>(a, a, b);
            return a;
        }
        if (ours) {
            sum = PyNumber_InPlaceAdd(a, b);
        } else if (f32 && size_of(x) > kSmall) {
            sum = large_sum<float>(a, b);
        } else if (f64 && size_of(x) > kSmall) {
            sum = large_sum<double>(a, b);
        } else {
            PyObject* both[] = {a, b};
            sum = elementwise(both, 2, Plus());
        }
    }
    if (sum == nullptr && !PyErr_Occurred()) sum = PyNumber_Add(a, b);
    Py_DECREF(a);
    return sum;
}

const FastFunction arithmetic_functions[7] = {{"add", plus},
                                              {"subtract", minus},
                                              {"multiply", times},
                                              {"chain", chain},
                                              {"tanh_backward", tanh_backward},
                                              {"unbroadcast", unbroadcast},
                                              {"shapes_of", shapes_of}};

}  // namespace tinygrad_cv
