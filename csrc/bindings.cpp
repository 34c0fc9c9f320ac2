// The extension module tinygrad_cv._core: chooses the instruction set, then binds each family.
#include <cstdlib>

#include "bindings/array.h"
#include "engine/shortcut.h"
#include "simd/dispatch.h"

PYBIND11_MODULE(_core, m) {
    using namespace tinygrad_cv;
    m.doc() = "C++ kernels of tinygrad_cv; use them through tinygrad_cv.backends";
    m.attr("__version__") = TINYGRAD_CV_VERSION;
    m.attr("compiler") =
#if defined(__clang__)
        "clang " __clang_version__;
#else
        "gcc " __VERSION__;
#endif
    const char* wanted = std::getenv("TINYGRAD_CV_ISA");
    try {
        choose_isa(wanted ? wanted : "");
    } catch (const std::invalid_argument& error) {
        throw py::import_error(error.what());
    }
    bind_runtime(m);
    bind_matmul(m);
    bind_distance(m);
    bind_nearest(m);
    bind_warp(m);
    bind_splitmix(m);
    bind_conv(m);
    bind_pool(m);
    bind_shortcuts(m);
    bind_elementwise(m);
    bind_norm(m);
    bind_loss(m);
    bind_optim(m);
}
