// The backward pass from gate to gate: backprop.py's `walk`, for passes that record nothing.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/shortcut.h"

namespace tinygrad_cv {
namespace {

struct Entry {
    int64_t seq;
    PyObject* gate;  // kept alive by `grads`, whose key it is
    bool operator<(const Entry& other) const { return seq < other.seq; }
};

// The gates whose gradients are known, the one made last on top.
class Heap {
public:
    void push(PyObject* gate) {
        entries_.push_back({PyLong_AsLongLong(slot(gate, engine.seq)), gate});
        std::push_heap(entries_.begin(), entries_.end());
    }
    Entry pop() {
        std::pop_heap(entries_.begin(), entries_.end());
        const Entry last = entries_.back();
        entries_.pop_back();
        return last;
    }
    bool empty() const { return entries_.empty(); }

private:
    std::vector<Entry> entries_;
};

py::object own(PyObject* reference) {
    if (reference == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(reference);
}

bool is_gate(PyObject* node) {
    return PyObject_TypeCheck(node, reinterpret_cast<PyTypeObject*>(engine.gate));
}

// Whether its type answers to NumPy's functions, as arrays on a GPU do. Most of what a gate keeps
// beside arrays are numbers and names, for which the attribute need not be looked up.
bool is_foreign_array(PyObject* value) {
    static PyObject* const name = PyUnicode_InternFromString("__array_ufunc__");
    if (value == Py_None || PyLong_Check(value) || PyFloat_Check(value) || PyUnicode_Check(value) ||
        PyType_Check(value)) {
        return false;
    }
    return PyObject_HasAttr(reinterpret_cast<PyObject*>(Py_TYPE(value)), name) != 0;
}

// As gate.py: release and _has_arrays.
bool has_arrays(PyObject* value) {
    if (value == nullptr) return false;
    if (PyTuple_Check(value) || PyList_Check(value)) {
        PyObject** items = PySequence_Fast_ITEMS(value);
        return std::any_of(items, items + PySequence_Fast_GET_SIZE(value), has_arrays);
    }
    return PyObject_TypeCheck(value, py::detail::npy_api::get().PyArray_Type_) ||
           is_foreign_array(value);
}

void let_go(PyObject* gate) {
    PyObject* saved = slot(gate, engine.saved);
    bool held = saved == nullptr || !PyTuple_CheckExact(saved) || PyTuple_GET_SIZE(saved) > 0;
    if (trusted(gate)) {
        // Each class has the table of its own __slots__.
        for (PyTypeObject* type = Py_TYPE(gate); reinterpret_cast<PyObject*>(type) != engine.gate;
             type = type->tp_base) {
            for (const PyMemberDef* m = type->tp_members; m != nullptr && m->name != nullptr; ++m) {
                if (!has_arrays(slot(gate, m->offset))) continue;
                set_slot(gate, m->offset, nullptr);
                held = true;
            }
        }
    }
    if (!held) return;
    set_slot(gate, engine.saved, new_reference(Py_None));
    set_slot(gate, engine.parents, PyTuple_New(0));
    set_slot(gate, engine.extra, new_reference(Py_None));
}

class Walk {
public:
    Walk(PyObject* grads, bool retain) : grads_(grads), retain_(retain) {}

    void run() {
        last_write_ = clock_of_writes();
        PyObject *node, *grad;
        for (Py_ssize_t at = 0; PyDict_Next(grads_, &at, &node, &grad);) {
            if (is_gate(node)) heap_.push(node);
        }
        while (!heap_.empty()) visit(heap_.pop());
    }

private:
    static int64_t clock_of_writes() {
        static PyObject* const name = PyUnicode_InternFromString("last_write");
        return PyLong_AsLongLong(global(engine.memory, name));
    }

    void visit(const Entry& entry) {
        const py::object gate = py::reinterpret_borrow<py::object>(entry.gate);
        const py::object parts = local_gradients(entry, own(take(entry.gate)));
        const py::object parents =
            py::reinterpret_borrow<py::object>(slot(gate.ptr(), engine.parents));
        if (!PyTuple_Check(parts.ptr())) throw py::type_error("backward must give a tuple");
        const Py_ssize_t n =
            std::min(PyTuple_GET_SIZE(parts.ptr()), PyTuple_GET_SIZE(parents.ptr()));
        for (Py_ssize_t i = 0; i < n; ++i) {
            PyObject* parent = PyTuple_GET_ITEM(parents.ptr(), i);
            PyObject* part = PyTuple_GET_ITEM(parts.ptr(), i);
            if (parent != Py_None && part != Py_None) hand_over(parent, part);
        }
        if (!retain_) let_go(gate.ptr());
    }

    // The gate's gradient, out of the dict.
    PyObject* take(PyObject* gate) {
        PyObject* grad = new_reference(PyDict_GetItem(grads_, gate));
        if (PyDict_DelItem(grads_, gate) < 0) Py_CLEAR(grad);
        return grad;
    }

    py::object local_gradients(const Entry& entry, py::object grad) {
        static PyObject* const backward = PyUnicode_InternFromString("backward");
        PyObject* gate = entry.gate;
        PyObject* args[] = {gate, grad.ptr()};
        PyObject* saved = slot(gate, engine.saved);
        if (slot(gate, engine.extra) == Py_None && saved != nullptr && saved != Py_None &&
            entry.seq > last_write_ && trusted(gate)) {
            return own(PyObject_VectorcallMethod(backward, args, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                 nullptr));
        }
        py::object parts = own(PyObject_Vectorcall(engine.step, args, 2, nullptr));
        last_write_ = clock_of_writes();  // a hook may write in place
        return parts;
    }

    void hand_over(PyObject* parent, PyObject* part) {
        PyObject* old = PyDict_GetItem(grads_, parent);
        if (old == nullptr) {
            if (PyDict_SetItem(grads_, parent, part) < 0) throw py::error_already_set();
            if (is_gate(parent)) heap_.push(parent);
            return;
        }
        Py_INCREF(old);
        // The dict lets go, so that a gradient that only it had can be added to in place.
        if (PyDict_SetItem(grads_, parent, Py_None) < 0) {
            Py_DECREF(old);
            throw py::error_already_set();
        }
        const py::object sum = own(add_up(old, part));
        if (PyDict_SetItem(grads_, parent, sum.ptr()) < 0) throw py::error_already_set();
    }

    PyObject* grads_;
    const bool retain_;
    int64_t last_write_ = 0;
    Heap heap_;
};

// walk(grads, retain_graph): goes through the graph and leaves the gradients of leaves in `grads`.
PyObject* walk(PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || !PyDict_CheckExact(args[0])) return nullptr;
    try {
        Walk(args[0], args[1] == Py_True).run();
    } catch (py::error_already_set& error) {
        error.restore();
        return nullptr;
    } catch (py::builtin_exception& error) {
        error.set_error();
        return nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
    return new_reference(Py_None);
}

PyObject* release(PyObject* const* args, Py_ssize_t count) {
    if (count != 1 || !is_gate(args[0])) return nullptr;
    let_go(args[0]);
    return new_reference(Py_None);
}

// Whether a gradient is as its tensor's array is, dense, and nobody else's; see backprop.py: _own.
bool is_first(PyObject* grad, PyObject* array) {
    if (grad == nullptr || !is_array(grad) || !is_array(array)) return false;
    const auto *g = array_of(grad), *x = array_of(array);
    const bool whole = g->base == nullptr || !is_array(g->base);
    return g->descr == x->descr && same_shape(g, x) && whole && Py_REFCNT(grad) == 1 &&
           (g->flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_) != 0;
}

// As backprop.py: _accumulate, for a first gradient that nobody else has and is dense.
PyObject* accumulate(PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || args[2] != Py_False || Py_TYPE(args[0]) != engine.leaf) return nullptr;
    if (PyList_GET_SIZE(slot(args[0], engine.leaf_hooks)) > 0) return nullptr;
    PyObject* tensor = PyObject_CallNoArgs(slot(args[0], engine.leaf_tensor));  // a weak reference
    if (tensor == nullptr) return nullptr;
    PyObject* grad = PyDict_GetItem(args[1], args[0]);
    PyObject* out = nullptr;
    if (tensor != Py_None && slot(tensor, engine.grad) == Py_None &&
        is_first(grad, slot(tensor, engine.array))) {
        out = engine.tensor->tp_alloc(engine.tensor, 0);
    }
    if (out != nullptr) {
        slot(out, engine.array) = new_reference(grad);
        slot(out, engine.grad) = new_reference(Py_None);
        slot(out, engine.node) = new_reference(Py_None);
        set_slot(tensor, engine.grad, out);
    }
    Py_DECREF(tensor);
    return out == nullptr ? nullptr : new_reference(Py_None);
}

}  // namespace

const FastFunction walk_functions[3] = {
    {"walk", walk}, {"release", release}, {"_accumulate", accumulate}};

}  // namespace tinygrad_cv
