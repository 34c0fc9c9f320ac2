// Arrays of shape (N, C, ...) as images, channels and positions.
#pragma once

#include "bindings/array.h"
#include "kernels/channel.h"

namespace tinygrad_cv {

// 0 for what is no array: view() then says so.
inline int rank_of(py::handle h) {
    return py::isinstance<py::array>(h) ? py::detail::array_proxy(h.ptr())->nd : 0;
}
// Of something known to be an array.
inline std::vector<py::ssize_t> shape_of(py::handle h) {
    const auto* a = py::detail::array_proxy(h.ptr());
    return std::vector<py::ssize_t>(a->dimensions, a->dimensions + a->nd);
}
inline void check_same_shape(const char* names, py::handle a, py::handle b) {
    if (shape_of(a) == shape_of(b)) return;
    throw py::value_error(std::string(names) + " must have one shape, got " +
                          std::string(py::str(a.attr("shape"))) + " and " +
                          std::string(py::str(b.attr("shape"))));
}

inline ChannelShape channel_shape(const char* where, py::handle x) {
    const std::vector<py::ssize_t> shape = shape_of(x);
    if (shape.size() < 2) {
        throw std::invalid_argument(std::string(where) + " must have shape (N, C, ...), got " +
                                    std::to_string(shape.size()) + " dimensions");
    }
    int64_t positions = 1;
    for (size_t i = 2; i < shape.size(); ++i) positions *= shape[i];
    return {shape[0], shape[1], positions};
}

}  // namespace tinygrad_cv
