// A gate's call: UnaryGate.__call__ and BinaryGate.__call__ on tensors.
#include "engine/shortcut.h"

namespace tinygrad_cv {
namespace {

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

// As gate.py: finish. Steals the value; the nodes are borrowed, that of a unary gate's second input
// is nullptr.
PyObject* finish(PyObject* gate, PyObject* value, PyObject* node_a, PyObject* node_b) {
    static PyObject* const reasons = PyUnicode_InternFromString("reasons");
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
    const bool watched = PyObject_IsTrue(global(engine.watch, reasons));
    const bool recorded = node_a != Py_None || (node_b != nullptr && node_b != Py_None);
    if (!recorded && !watched) {
        slot(out, engine.node) = new_reference(Py_None);
        return out;
    }
    PyObject* parents =
        node_b == nullptr ? PyTuple_Pack(1, node_a) : PyTuple_Pack(2, node_a, node_b);
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

PyObject* forward(PyObject* gate, PyObject* x, PyObject* y) {
    static PyObject* const name = PyUnicode_InternFromString("forward");
    PyObject* args[] = {gate, x, y};
    const size_t count = y == nullptr ? 2 : 3;
    return PyObject_VectorcallMethod(name, args, count | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

PyObject* call_unary(PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || !is_tensor(args[1]) || !trusted(args[0])) return nullptr;
    // Held: forward may give the tensor another array or node.
    PyObject* x = new_reference(slot(args[1], engine.array));
    PyObject* node = new_reference(slot(args[1], engine.node));
    PyObject* value = forward(args[0], x, nullptr);
    PyObject* out = value == nullptr ? nullptr : finish(args[0], value, node, nullptr);
    Py_DECREF(x);
    Py_DECREF(node);
    return out;
}

PyObject* call_binary(PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || !trusted(args[0])) return nullptr;
    PyObject *x = args[1], *y = args[2], *node_a = Py_None, *node_b = Py_None;
    const bool a = is_tensor(x), b = is_tensor(y);
    if (a) node_a = slot(x, engine.node), x = slot(x, engine.array);
    if (b) node_b = slot(y, engine.node), y = slot(y, engine.array);
    if ((a && !is_array(x)) || (b && !is_array(y))) return nullptr;
    if (a && b) {
        if (array_of(x)->descr != array_of(y)->descr) return nullptr;
    } else if (a ? !weak_number(y, x) : !b || !weak_number(x, y)) {
        return nullptr;
    }
    for (PyObject* held : {x, y, node_a, node_b}) Py_INCREF(held);
    PyObject* value = forward(args[0], x, y);
    PyObject* out = value == nullptr ? nullptr : finish(args[0], value, node_a, node_b);
    for (PyObject* held : {x, y, node_a, node_b}) Py_DECREF(held);
    return out;
}

}  // namespace

const FastFunction call_functions[2] = {{"UnaryGate.__call__", call_unary},
                                        {"BinaryGate.__call__", call_binary}};

}  // namespace tinygrad_cv
