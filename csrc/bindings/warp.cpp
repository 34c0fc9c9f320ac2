// Images read between their pixels, as Python sees it.
#include "kernels/warp.h"

#include <vector>

#include "bindings/array.h"

namespace tinygrad_cv {
namespace {

template <class T>
py::array warped(py::handle x, py::handle rows, py::handle columns, double fill) {
    const View<const T> xv = view<const T>(x, "warp_bilinear: x", 4);
    const View<const T> rv = view<const T>(rows, "warp_bilinear: rows", 3);
    const View<const T> cv = view<const T>(columns, "warp_bilinear: columns", 3);
    for (int i = 0; i < 3; ++i) {
        if (rv.shape[i] != cv.shape[i] || rv.shape[0] != xv.shape[0]) {
            throw std::invalid_argument(
                "warp_bilinear: rows and columns must be of one shape, with a first side of " +
                std::to_string(xv.shape[0]) + " as x");
        }
    }
    WarpArgs<T> g{xv.shape[0], xv.shape[1], xv.shape[2], xv.shape[3], rv.shape[1], rv.shape[2],
                  xv.data,     rv.data,     cv.data,     T(fill),     nullptr};
    py::array y = new_array<T>({g.N, g.C, g.P, g.Q});
    g.y = static_cast<T*>(y.mutable_data());
    without_gil(g.N * g.C * g.P * g.Q > 10000, [&] { warp_bilinear(g); });
    return y;
}

template <class T>
py::array moved(py::handle x, py::handle maps, double fill) {
    const View<const T> xv = view<const T>(x, "warp_affine: x", 4);
    const View<const T> mv = view<const T>(maps, "warp_affine: maps", 3);
    if (mv.shape[0] != xv.shape[0] || mv.shape[1] != 2 || mv.shape[2] != 3) {
        throw std::invalid_argument("warp_affine: maps must be (" + std::to_string(xv.shape[0]) +
                                    ", 2, 3), one for each image");
    }
    AffineArgs<T> g{xv.shape[0], xv.shape[1], xv.shape[2], xv.shape[3], xv.shape[2], xv.shape[3],
                    xv.data,     mv.data,     T(fill),     nullptr,     nullptr};
    std::vector<T> framed(size_t(framed_side(g.H) * framed_side(g.W)));
    g.framed = framed.data();
    py::array y = new_array<T>({g.N, g.C, g.P, g.Q});
    g.y = static_cast<T*>(y.mutable_data());
    without_gil(g.N * g.C * g.P * g.Q > 10000, [&] { warp_affine(g); });
    return y;
}

}  // namespace

void bind_warp(py::module_& m) {
    m.def(
        "warp_bilinear",
        [](py::handle x, py::handle rows, py::handle columns, double fill) {
            return has_type<double>(x) ? warped<double>(x, rows, columns, fill)
                                       : warped<float>(x, rows, columns, fill);
        },
        py::arg("x"), py::arg("rows"), py::arg("columns"), py::arg("fill"),
        "warp_bilinear(x, rows, columns, fill) -> numpy.ndarray\n\n"
        "Images x (N, C, H, W) read at rows and columns (N, P, Q), all dense and of one type,\n"
        "float32 or float64: (N, C, P, Q). Around an image there is fill.");
    m.def(
        "warp_affine",
        [](py::handle x, py::handle maps, double fill) {
            return has_type<double>(x) ? moved<double>(x, maps, fill) : moved<float>(x, maps, fill);
        },
        py::arg("x"), py::arg("maps"), py::arg("fill"),
        "warp_affine(x, maps, fill) -> numpy.ndarray\n\n"
        "Images x (N, C, H, W), their pixel (p, q) read at row maps[n, 0] . (q, p, 1) and column\n"
        "maps[n, 1] . (q, p, 1) of maps (N, 2, 3), dense and of the same type: as x.");
}

}  // namespace tinygrad_cv
