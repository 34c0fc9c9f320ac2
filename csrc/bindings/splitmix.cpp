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

py::array units_of(py::handle bases, uint64_t drawn, int64_t count) {
    const View<const uint64_t> v = view<const uint64_t>(bases, "splitmix_units: bases", 1);
    if (count < 0) throw std::invalid_argument("splitmix_units: count must be at least 0");
    const int64_t n = v.shape[0];
    py::array units = new_array<double>({n, count});
    double* const out = static_cast<double*>(units.mutable_data());
    without_gil(n * count > kLongWork, [&] { splitmix_units(n, v.data, drawn, count, out); });
    return units;
}

}  // namespace

void bind_splitmix(py::module_& m) {
    m.def("splitmix_bases", &bases_of, py::arg("key"), py::arg("indices"),
          "splitmix_bases(key: int, indices) -> numpy.ndarray\n\n"
          "What the random numbers of samples, given as int64, begin with: (N,) of uint64.");
    m.def("splitmix_units", &units_of, py::arg("bases"), py::arg("drawn"), py::arg("count"),
          "splitmix_units(bases, drawn: int, count: int) -> numpy.ndarray\n\n"
          "The next numbers in [0, 1) of samples that have drawn so many: (N, count) of float64.");
}

}  // namespace tinygrad_cv
