// Random numbers that belong to a sample, as Python sees them.
#include "kernels/splitmix.h"

#include "bindings/array.h"

namespace tinygrad_cv {
namespace {

constexpr int64_t kLongWork = 10000;  // numbers; some 20 us, worth releasing the GIL

py::array bases_of(uint64_t key, py::handle indices) {
    const View<const int64_t> v = view<const int64_t>(indices, "splitmix_bases: indices", 1);
    py::array bases = new_array<uint64_t>({v.shape[0]});
    uint64_t* const out = static_cast<uint64_t*>(bases.mutable_data());
    without_gil(v.shape[0] > kLongWork, [&] { splitmix_bases(key, v.shape[0], v.data, out); });
    return bases;
}

// One end for each of `count` numbers: an array, or a number for all.
std::vector<double> ends_of(py::handle h, int64_t count, const char* name) {
    if (!py::isinstance<py::array>(h)) return std::vector<double>(size_t(count), h.cast<double>());
    const View<const double> v = view<const double>(h, name, 1);
    if (v.shape[0] != count) {
        throw std::invalid_argument(std::string(name) + " must have " + std::to_string(count) +
                                    " elements, got " + std::to_string(v.shape[0]));
    }
    return std::vector<double>(v.data, v.data + count);
}

py::array uniform(py::handle bases, uint64_t drawn, int64_t count, py::handle low,
                  py::handle high) {
    const View<const uint64_t> v = view<const uint64_t>(bases, "splitmix_uniform: bases", 1);
    if (count < 0) throw std::invalid_argument("splitmix_uniform: count must be at least 0");
    const std::vector<double> from = ends_of(low, count, "splitmix_uniform: low");
    const std::vector<double> to = ends_of(high, count, "splitmix_uniform: high");
    const int64_t n = v.shape[0];
    py::array y = new_array<double>({n, count});
    double* const out = static_cast<double*>(y.mutable_data());
    without_gil(n * count > kLongWork,
                [&] { splitmix_uniform(n, v.data, drawn, count, from.data(), to.data(), out); });
    return y;
}

}  // namespace

void bind_splitmix(py::module_& m) {
    m.def("splitmix_bases", &bases_of, py::arg("key"), py::arg("indices"),
          "splitmix_bases(key: int, indices) -> numpy.ndarray\n\n"
          "What the random numbers of samples, given as int64, begin with: (N,) of uint64.");
    m.def(
        "splitmix_uniform", &uniform, py::arg("bases"), py::arg("drawn"), py::arg("count"),
        py::arg("low"), py::arg("high"),
        "splitmix_uniform(bases, drawn: int, count: int, low, high) -> numpy.ndarray\n\n"
        "The next numbers in [low, high) of samples that have drawn so many: (N, count), float64.\n"
        "low and high are numbers, or float64 arrays (count,).");
}

}  // namespace tinygrad_cv
