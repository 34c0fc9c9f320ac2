// A gate's call: __call__ of UnaryGate and BinaryGate on tensors, of Gate on tensors and arrays.
#include <algorithm>

#include "engine/shortcut.h"

namespace tinygrad_cv {
namespace {

constexpr Py_ssize_t kMost = 8;  // inputs of a gate

// One made by Tensor.__new__ alone has empty slots: Python says so.
bool is_tensor(PyObject* object) {
    return PyObject_TypeCheck(object, engine.tensor) && slot(object, engine.array) != nullptr &&
           slot(object, engine.node) != nullptr;
}

// A Python number that takes the dtype of the array beside it.
bool weak_number(PyObject* number, PyObject* array) {
    if (PyLong_CheckExact(number)) return true;
    return PyFloat_CheckExact(number) &&
           py::reinterpret_borrow<py::array>(array).dtype().kind() == 'f';
}

// Whether the gate saved memory that a NumPy array of the user shows, as memory.py: hold would find.
bool saved_shared_memory(PyObject* gate) {
    PyObject* saved = slot(gate, engine.saved);
    if (saved == nullptr || !PyTuple_Check(saved)) return true;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(saved); ++i) {
        PyObject* base = PyTuple_GET_ITEM(saved, i);
        if (!is_array(base)) {
            if (PyObject_HasAttrString(base, "base")) return true;
            continue;
        }
        while (array_of(base)->base != nullptr && is_array(array_of(base)->base)) {
            base = array_of(base)->base;
        }
        PyObject* key = PyLong_FromVoidPtr(base);
        const int found = key == nullptr ? -1 : PyDict_Contains(engine.shared, key);
        Py_XDECREF(key);
        if (found != 0) return true;
    }
    return false;
}

// Whether there is a reason to look closer, see watch.py. The usual one is memory shared with NumPy,
// such as that of a batch: then it is looked at here whether this gate has to do with it.
bool is_watched(PyObject* gate) {
    static PyObject* const name = PyUnicode_InternFromString("reasons");
    const Py_ssize_t reasons = PyLong_AsSsize_t(global(engine.watch, name));
    if (reasons == 0) return false;
    return reasons != PyDict_GET_SIZE(engine.shared) || saved_shared_memory(gate);
}

PyObject* packed(PyObject* const* nodes, Py_ssize_t count) {
    PyObject* tuple = PyTuple_New(count);
    if (tuple == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(tuple, i, new_reference(nodes[i]));
    return tuple;
}

// As gate.py: finish. Steals the value; the nodes, one for each input, are borrowed.
PyObject* finish(PyObject* gate, PyObject* value, PyObject* const* nodes, Py_ssize_t count) {
    if (!is_array(value)) {  // a NumPy scalar, most often
        PyObject* array = PyObject_CallOneArg(engine.zero_dim, value);
        Py_DECREF(value);
        if (array == nullptr) return nullptr;
        value = array;
    }
    PyObject* out = engine.tensor->tp_alloc(engine.tensor, 0);
    if (out == nullptr) {
        Py_DECREF(value);
        return nullptr;
    }
    slot(out, engine.array) = value;
    slot(out, engine.grad) = new_reference(Py_None);
    const bool watched = is_watched(gate);
    const bool recorded =
        std::any_of(nodes, nodes + count, [](PyObject* node) { return node != Py_None; });
    if (!recorded && !watched) {
        slot(out, engine.node) = new_reference(Py_None);
        return out;
    }
    PyObject* parents = packed(nodes, count);
    if (watched) {
        PyObject* args[] = {gate, out, parents};
        PyObject* done = parents == nullptr
                             ? nullptr
                             : PyObject_Vectorcall(engine.finish_watched, args, 3, nullptr);
        Py_XDECREF(parents);
        Py_DECREF(out);
        return done;
    }
    PyObject* seq = parents == nullptr ? nullptr : Py_TYPE(engine.clock)->tp_iternext(engine.clock);
    if (seq == nullptr) {
        Py_XDECREF(parents);
        Py_DECREF(out);
        return nullptr;
    }
    set_slot(gate, engine.parents, parents);
    set_slot(gate, engine.seq, seq);
    set_slot(gate, engine.extra, new_reference(Py_None));
    slot(out, engine.node) = new_reference(gate);
    return out;
}

// args: the gate and `count` inputs.
PyObject* forward(PyObject* const* args, Py_ssize_t count) {
    static PyObject* const name = PyUnicode_InternFromString("forward");
    const size_t n = size_t(count) + 1;
    return PyObject_VectorcallMethod(name, args, n | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

PyObject* call_unary(PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || !is_tensor(args[1]) || !trusted(args[0])) return nullptr;
    // Held: forward may give the tensor another array or node.
    PyObject* x = new_reference(slot(args[1], engine.array));
    PyObject* node = new_reference(slot(args[1], engine.node));
    PyObject* inputs[] = {args[0], x};
    PyObject* value = forward(inputs, 1);
    PyObject* out = value == nullptr ? nullptr : finish(args[0], value, &node, 1);
    Py_DECREF(x);
    Py_DECREF(node);
    return out;
}

PyObject* call_binary(PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || !trusted(args[0])) return nullptr;
    PyObject *x = args[1], *y = args[2], *nodes[] = {Py_None, Py_None};
    const bool a = is_tensor(x), b = is_tensor(y);
    if (a) nodes[0] = slot(x, engine.node), x = slot(x, engine.array);
    if (b) nodes[1] = slot(y, engine.node), y = slot(y, engine.array);
    if ((a && !is_array(x)) || (b && !is_array(y))) return nullptr;
    if (a && b) {
        if (array_of(x)->descr != array_of(y)->descr) return nullptr;
    } else if (a ? !weak_number(y, x) : !b || !weak_number(x, y)) {
        return nullptr;
    }
    for (PyObject* held : {x, y, nodes[0], nodes[1]}) Py_INCREF(held);
    PyObject* inputs[] = {args[0], x, y};
    PyObject* value = forward(inputs, 2);
    PyObject* out = value == nullptr ? nullptr : finish(args[0], value, nodes, 2);
    for (PyObject* held : {x, y, nodes[0], nodes[1]}) Py_DECREF(held);
    return out;
}

// Without a tensor among the inputs: the value, nothing is recorded.
PyObject* call_plain(PyObject* const* args, Py_ssize_t count) {
    static PyObject* const nothing[kMost] = {Py_None, Py_None, Py_None, Py_None,
                                             Py_None, Py_None, Py_None, Py_None};
    PyObject* parents = packed(nothing, count);
    if (parents == nullptr) return nullptr;
    set_slot(args[0], engine.parents, parents);
    return forward(args, count);
}

PyObject* call_gate(PyObject* const* args, Py_ssize_t given) {
    const Py_ssize_t count = given - 1;
    if (count < 1 || count > kMost || !trusted(args[0])) return nullptr;
    PyObject *inputs[kMost + 1] = {args[0]}, *nodes[kMost];
    bool tensors = false;
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* x = args[i + 1];
        nodes[i] = Py_None;
        if (is_tensor(x)) {
            tensors = true;
            nodes[i] = slot(x, engine.node), x = slot(x, engine.array);
        }
        // Arrays of a GPU, and mistakes: Python says which device an array is on.
        if (x != Py_None && !is_array(x)) return nullptr;
        inputs[i + 1] = x;
    }
    if (!tensors) return call_plain(inputs, count);
    std::for_each(inputs + 1, inputs + given, [](PyObject* x) { Py_INCREF(x); });
    std::for_each(nodes, nodes + count, [](PyObject* node) { Py_INCREF(node); });
    PyObject* value = forward(inputs, count);
    PyObject* out = value == nullptr ? nullptr : finish(args[0], value, nodes, count);
    std::for_each(inputs + 1, inputs + given, [](PyObject* x) { Py_DECREF(x); });
    std::for_each(nodes, nodes + count, [](PyObject* node) { Py_DECREF(node); });
    return out;
}

}  // namespace

const FastFunction call_functions[3] = {{"UnaryGate.__call__", call_unary},
                                        {"BinaryGate.__call__", call_binary},
                                        {"Gate.__call__", call_gate}};

}  // namespace tinygrad_cv
