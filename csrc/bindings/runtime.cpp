// Threads, memory pool and instruction set, as Python sees them.
#include "bindings/array.h"
#include "kernels/peak.h"
#include "runtime/threads.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

void bind_runtime(py::module_& m) {
    m.def("isa", [] { return isa_name(isa()); }, "isa() -> str\n\nThe instruction set in use.");
    m.def(
        "available_isas",
        [] {
            py::list names;
            for (Isa i : available_isas()) names.append(isa_name(i));
            return py::tuple(names);
        },
        "available_isas() -> tuple[str, ...]\n\nThe sets that this build and machine have.");
    m.def("has_openmp", &has_openmp, "has_openmp() -> bool");
    m.def("get_num_threads", &num_threads, "get_num_threads() -> int");
    m.def(
        "set_num_threads",
        [](int threads) {
            if (threads < 1 || threads > 4096) {
                throw std::invalid_argument("set_num_threads: threads must be 1 to 4096, got " +
                                            std::to_string(threads));
            }
            set_num_threads(threads);
        },
        py::arg("threads"), "set_num_threads(threads: int) -> None");
    m.def("limit_this_thread", &limit_this_thread, py::arg("threads"),
          "limit_this_thread(threads: int) -> None\n\nOf kernels that the calling thread calls.");
    m.def(
        "restore_writeable",
        [](const py::array& a) {
            py::detail::array_proxy(a.ptr())->flags |= py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
        },
        py::arg("array"),
        "restore_writeable(array: numpy.ndarray) -> None\n\nOf an array that was so before: NumPy "
        "refuses it for one that owns no\nmemory, such as those of the pool.");
    m.def(
        "pool_stats",
        [] {
            const PoolStats s = pool_stats();
            py::dict d;
            d["in_use"] = s.in_use;
            d["cached"] = s.cached;
            d["limit"] = s.limit;
            return d;
        },
        "pool_stats() -> dict[str, int]\n\nBytes in use, kept for reuse, and the bound on the "
        "latter.");
    m.def("pool_release", &pool_release,
          "pool_release() -> None\n\nGives the memory kept for reuse back to the system.");
    m.def(
        "pool_set_limit",
        [](int64_t bytes) {
            if (bytes < 0) throw std::invalid_argument("pool_set_limit: bytes must be >= 0");
            pool_set_limit(bytes);
        },
        py::arg("bytes"), "pool_set_limit(bytes: int) -> None");
    m.def(
        "measure_peak",
        [](bool float64, double seconds) {
            double gflops = 0;
            without_gil(true, [&] { gflops = measure_peak(float64, num_threads(), seconds); });
            return gflops;
        },
        py::arg("float64") = false, py::arg("seconds") = 0.2,
        "measure_peak(float64: bool = False, seconds: float = 0.2) -> float\n\n"
        "Multiply-adds with operands in registers, on the threads in use, in GFLOP/s.");
    m.def(
        "machine",
        [] {
            const Machine x = machine();
            py::dict d;
            d["threads"] = x.threads;
            d["l1"] = x.l1;
            d["l2"] = x.l2;
            d["l3"] = x.l3;
            d["vec_bytes"] = x.vec_bytes;
            return d;
        },
        "machine() -> dict[str, int]\n\nWhat the planners know of this machine (bytes).");
}

}  // namespace tinygrad_cv
