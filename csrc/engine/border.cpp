// What stands before every kernel: which room has it, and whether an array is dense already.
#include "engine/shortcut.h"

namespace tinygrad_cv {
namespace {

PyObject* backend_for(PyObject* const* args, Py_ssize_t count) {
    if (count != 1 || !is_array(args[0])) return nullptr;
    PyObject* room = nullptr;
    PyContextVar_Get(engine.cpu_room, nullptr, &room);
    return room;
}

PyObject* dense(PyObject* const* args, Py_ssize_t count) {
    using np = py::detail::npy_api;
    constexpr int need = np::NPY_ARRAY_C_CONTIGUOUS_ | np::NPY_ARRAY_ALIGNED_;
    if (count != 1 || !is_array(args[0]) || (array_of(args[0])->flags & need) != need) {
        return nullptr;
    }
    return new_reference(args[0]);
}

}  // namespace

const FastFunction border_functions[2] = {{"backend_for", backend_for}, {"dense", dense}};

}  // namespace tinygrad_cv
