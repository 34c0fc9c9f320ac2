// Images read between their pixels, as Python sees it.
#include "kernels/warp.h"

#include "bindings/array.h"
#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

template <class T>
const WarpKernels<T>& warp_kernels() {
    const WarpTable& table = TG_PICK(warp);
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}

// Images x, read at P x Q places each.
template <class T>
WarpArgs<T> args_of(const View<const T>& x, int64_t P, int64_t Q, double fill) {
    const int64_t H = x.shape[2], W = x.shape[3];
    // A float32 tells no neighbours apart beyond that, and a place in a plane has 32 bits.
    constexpr int64_t longest = int64_t(1) << 24;
    if (H >= longest || W >= longest || framed_side(H) * framed_side(W) > INT32_MAX) {
        throw std::invalid_argument(
            "warp: images must have sides under 2^24 and under 2^31 pixels, got " +
            std::to_string(H) + " x " + std::to_string(W));
    }
    WarpArgs<T> g{};
    g.N = x.shape[0], g.C = x.shape[1], g.H = H, g.W = W;
    g.P = P, g.Q = Q;
    g.x = x.data;
    g.fill = T(fill);
    return g;
}

template <class T>
py::array run(WarpArgs<T>& g, void (*kernel)(const WarpArgs<T>&) noexcept) {
    const WarpPlan plan = plan_warp(g.N * g.C, g.P * g.Q, num_threads());
    const Buffer<T> framed = make_buffer<T>(plan.team * framed_side(g.H) * framed_side(g.W));
    py::array y = new_array<T>({g.N, g.C, g.P, g.Q});
    g.team = plan.team;
    g.framed = framed.get();
    g.y = static_cast<T*>(y.mutable_data());
    without_gil(plan.long_work, [&] { kernel(g); });
    return y;
}

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
    WarpArgs<T> g = args_of(xv, rv.shape[1], rv.shape[2], fill);
    g.rows = rv.data;
    g.columns = cv.data;
    return run(g, warp_kernels<T>().bilinear);
}

template <class T>
py::array moved(py::handle x, py::handle maps, double fill) {
    const View<const T> xv = view<const T>(x, "warp_affine: x", 4);
    const View<const T> mv = view<const T>(maps, "warp_affine: maps", 3);
    if (mv.shape[0] != xv.shape[0] || mv.shape[1] != 2 || mv.shape[2] != 3) {
        throw std::invalid_argument("warp_affine: maps must be (" + std::to_string(xv.shape[0]) +
                                    ", 2, 3), one for each image");
    }
    WarpArgs<T> g = args_of(xv, xv.shape[2], xv.shape[3], fill);
    g.maps = mv.data;
    return run(g, warp_kernels<T>().affine);
}

template <class T>
py::array maps_of(py::handle moves, int64_t height, int64_t width) {
    const View<const double> mv = view<const double>(moves, "affine_maps: moves", 2);
    if (mv.shape[1] != 5) {
        throw std::invalid_argument("affine_maps: moves must be (N, 5), got (" +
                                    std::to_string(mv.shape[0]) + ", " +
                                    std::to_string(mv.shape[1]) + ")");
    }
    py::array maps = new_array<T>({mv.shape[0], 2, 3});
    T* const out = static_cast<T*>(maps.mutable_data());
    // Two hundred take some 15 us.
    without_gil(mv.shape[0] > 200, [&] { affine_maps(mv.shape[0], height, width, mv.data, out); });
    return maps;
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
    m.def(
        "affine_maps",
        [](py::handle moves, int64_t height, int64_t width, bool float64) {
            return float64 ? maps_of<double>(moves, height, width)
                           : maps_of<float>(moves, height, width);
        },
        py::arg("moves"), py::arg("height"), py::arg("width"), py::arg("float64"),
        "affine_maps(moves, height: int, width: int, float64: bool) -> numpy.ndarray\n\n"
        "Maps (N, 2, 3) of images moved about their centre. A row of moves (N, 5), float64 and\n"
        "dense: degrees counter-clockwise, shares of the width to the right and of the height "
        "down,\n"
        "magnification, slant along x in degrees.");
}

}  // namespace tinygrad_cv
