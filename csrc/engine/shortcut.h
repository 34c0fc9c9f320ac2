// Shortcuts: C++ in front of a Python function, for the cases that it meets most.
//
// The graph is written in Python (engine/gate.py, engine/backprop.py, gates/). A gate of four floats
// costs little arithmetic and much ceremony there: 0.3 us for each of NumPy's operators, 0.5 us to
// make a tensor and record a gate. The functions that every gate goes through are therefore
// decorated with engine/shortcuts.py: shortcut, which makes a Shortcut of them: an object that is
// called in the function's place, takes the usual case and hands every other one, whole and untouched,
// to the Python function. That one stays the definition: a shortcut gives the same bits or
// declines, and tests/engine/test_shortcuts.py runs the same circuits both ways.
//
// No new kind of object takes part in the graph. Tensor and Gate are Python classes with
// __slots__; C++ reads and fills their slots where the member descriptors say that they lie, so
// garbage collection, subclasses, copies and pickles are Python's own. The GIL is held throughout.
//
//   shortcut.cpp    the object, and what Python tells of its classes (Engine)
//   call.cpp        a gate's call: forward, the tensor around the value, the record
//   walk.cpp        the backward pass from gate to gate
//   arithmetic.cpp  sums, products and the like of small dense float arrays
//   border.cpp      what stands before every kernel: its room, and dense arrays
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <structmember.h>

#include <algorithm>

namespace tinygrad_cv {

namespace py = pybind11;

// The result; nullptr without an error set: not a case for the shortcut.
using Fast = PyObject* (*)(PyObject* const* args, Py_ssize_t count);

struct FastFunction {
    const char* name;  // the Python function's __qualname__
    Fast call;
};

extern const FastFunction call_functions[3], walk_functions[3], arithmetic_functions[7],
    border_functions[2];

// What engine/shortcuts.py: connect tells once, when the package is imported; references are kept
// for good, as the module's own globals are.
struct Engine {
    PyTypeObject* tensor = nullptr;
    Py_ssize_t array = 0, grad = 0, node = 0;               // where slots lie in a Tensor,
    Py_ssize_t parents = 0, saved = 0, seq = 0, extra = 0;  // and in a Gate, in bytes
    PyObject* gate = nullptr;                               // the class; leaves are of another
    PyObject* clock = nullptr;                   // itertools.count: numbers gates and writes
    PyObject* watch = nullptr;                   // globals of engine/watch.py
    PyObject* memory = nullptr;                  // and of engine/memory.py,
    PyObject* shared = nullptr;                  // with its dict of shared memory
    Py_ssize_t leaf_tensor = 0, leaf_hooks = 0;  // slots of a Leaf
    PyTypeObject* leaf = nullptr;
    PyObject* below_mask = nullptr;  // context variables
    PyObject* cpu_room = nullptr;
    PyObject* finish_watched = nullptr;  // Python functions for rare cases
    PyObject* zero_dim = nullptr;
    PyObject* step = nullptr;
};
extern Engine engine;

inline PyObject*& slot(PyObject* object, Py_ssize_t offset) {
    return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
}

// Takes over the reference to `value`. The old one goes last: what dies with it may run any code.
inline void set_slot(PyObject* object, Py_ssize_t offset, PyObject* value) {
    PyObject*& place = slot(object, offset);
    PyObject* old = place;
    place = value;
    Py_XDECREF(old);
}

inline PyObject* new_reference(PyObject* object) {
    Py_INCREF(object);
    return object;
}

inline bool is_array(PyObject* object) {
    return Py_TYPE(object) == py::detail::npy_api::get().PyArray_Type_;
}

inline const py::detail::PyArray_Proxy* array_of(PyObject* object) {
    return py::detail::array_proxy(object);
}

inline bool same_shape(const py::detail::PyArray_Proxy* a, const py::detail::PyArray_Proxy* b) {
    // Not memcmp: an array without dimensions may have no list of them.
    return a->nd == b->nd && std::equal(a->dimensions, a->dimensions + a->nd, b->dimensions);
}

// A borrowed global of a Python module, as it is now.
inline PyObject* global(PyObject* names, PyObject* name) { return PyDict_GetItem(names, name); }

// Whether the gate is one of this package's, whose methods need no looking after.
bool trusted(PyObject* gate);

// a + b, in the memory of `a` if that is nobody else's: `a` is stolen. nullptr: error.
PyObject* add_up(PyObject* a, PyObject* b);

void bind_shortcuts(py::module_& m);

}  // namespace tinygrad_cv
