// NumPy arrays at the border: views of arguments without copy or cast, and outputs from the pool.
// Only the files of csrc/bindings, csrc/engine and bindings.cpp include pybind11.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "runtime/denormals.h"
#include "runtime/pool.h"

namespace tinygrad_cv {

namespace py = pybind11;

// One per family, defined in bindings/<family>.cpp, called by bindings.cpp.
void bind_runtime(py::module_& m);
void bind_matmul(py::module_& m);
void bind_conv(py::module_& m);
void bind_pool(py::module_& m);
void bind_distance(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_norm(py::module_& m);
void bind_loss(py::module_& m);
void bind_optim(py::module_& m);
void bind_nearest(py::module_& m);
void bind_warp(py::module_& m);
void bind_splitmix(py::module_& m);

template <class T>
constexpr const char* type_name = "?";
template <>
inline constexpr const char* type_name<float> = "float32";
template <>
inline constexpr const char* type_name<double> = "float64";
template <>
inline constexpr const char* type_name<uint8_t> = "uint8";
template <>
inline constexpr const char* type_name<int32_t> = "int32";
template <>
inline constexpr const char* type_name<int64_t> = "int64";
template <>
inline constexpr const char* type_name<uint64_t> = "uint64";

[[noreturn]] inline void refuse_type(py::handle h, const char* name, const char* wanted) {
    std::string got = py::str(py::type::handle_of(h).attr("__name__"));
    if (py::isinstance<py::array>(h)) got += " of " + std::string(py::str(h.attr("dtype")));
    throw py::type_error(std::string(name) + " must be a " + wanted + " array, got " + got);
}
[[noreturn]] inline void refuse_layout(py::handle h, const char* name, int ndim) {
    throw py::value_error(
        std::string(name) + " must be a C-contiguous, aligned array with " + std::to_string(ndim) +
        " dimensions (writeable if it is an output), got " +
        std::to_string(py::reinterpret_borrow<py::array>(h).ndim()) + " dimensions");
}

// T const: input. T: output, must be writeable.
template <class T>
struct View {
    T* data;
    const py::ssize_t* shape;
    const py::ssize_t* strides;  // in bytes
};

template <class T>
bool has_type(py::handle h) {
    using np = py::detail::npy_api;
    if (!py::isinstance<py::array>(h)) return false;
    static PyObject* const want = py::dtype::of<std::remove_const_t<T>>().release().ptr();
    const auto* a = py::detail::array_proxy(h.ptr());
    return a->descr == want || np::get().PyArray_EquivTypes_(a->descr, want);
}

// A dense array of exactly this type and rank; 70 ns, no copy, no cast.
template <class T>
View<T> view(py::handle h, const char* name, int ndim) {
    using np = py::detail::npy_api;
    if (!has_type<T>(h)) refuse_type(h, name, type_name<std::remove_const_t<T>>);
    const auto* a = py::detail::array_proxy(h.ptr());
    constexpr int need = np::NPY_ARRAY_C_CONTIGUOUS_ | np::NPY_ARRAY_ALIGNED_ |
                         (std::is_const_v<T> ? 0 : np::NPY_ARRAY_WRITEABLE_);
    if (a->nd != ndim || (a->flags & need) != need) refuse_layout(h, name, ndim);
    return {reinterpret_cast<T*>(a->data), a->dimensions, a->strides};
}

// An array of any strides, for kernels that support them.
template <class T>
View<T> strided_view(py::handle h, const char* name, int ndim) {
    using np = py::detail::npy_api;
    if (!has_type<T>(h)) refuse_type(h, name, type_name<std::remove_const_t<T>>);
    const auto* a = py::detail::array_proxy(h.ptr());
    constexpr int need =
        np::NPY_ARRAY_ALIGNED_ | (std::is_const_v<T> ? 0 : np::NPY_ARRAY_WRITEABLE_);
    if (a->nd != ndim || (a->flags & need) != need) refuse_layout(h, name, ndim);
    return {reinterpret_cast<T*>(a->data), a->dimensions, a->strides};
}

// A new dense array in memory of the pool, which takes it back when the array dies.
template <class T>
py::array new_array(const std::vector<py::ssize_t>& shape) {
    py::ssize_t count = 1;
    for (py::ssize_t n : shape) {
        if (__builtin_mul_overflow(count, n, &count)) {
            throw std::invalid_argument("an array of more than 2^63 elements was asked for");
        }
    }
    Buffer<T> buffer = make_buffer<T>(count);
    py::capsule owner(buffer.get(), [](void* block) { pool_free(block); });
    T* data = buffer.release();
    return py::array(py::dtype::of<T>(), shape, data, owner);
}

// Calls f, where denormals count as zeros, with the GIL released if the work is worth it (taking it
// back can cost 5 ms when another thread is busy, so small calls keep it). f must not touch Python.
template <class F>
void without_gil(bool release, const F& f) {
    const DenormalScope zeros(Denormals::zeros);
    if (release) {
        py::gil_scoped_release released;
        f();
    } else {
        f();
    }
}

}  // namespace tinygrad_cv
