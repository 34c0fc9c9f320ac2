// The object that stands before a Python function, and what it knows of the Python side.
#include "engine/shortcut.h"

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace tinygrad_cv {

Engine engine;

namespace {

bool enabled = false;  // until the engine is connected, and while a test asks for plain Python

struct Shortcut {
    PyObject ob_base;
    vectorcallfunc vectorcall;
    Fast fast;
    PyObject* plain;
};

PyObject* call(PyObject* self, PyObject* const* args, size_t flags, PyObject* names) {
    const auto* s = reinterpret_cast<Shortcut*>(self);
    if (enabled && names == nullptr) {
        PyObject* result = s->fast(args, PyVectorcall_NARGS(flags));
        if (result != nullptr || PyErr_Occurred()) return result;
    }
    return PyObject_Vectorcall(s->plain, args, flags, names);
}

// As of a function: found in a class, it is a method of the instance.
PyObject* bind(PyObject* self, PyObject* instance, PyObject*) {
    return instance == nullptr ? new_reference(self) : PyMethod_New(self, instance);
}

PyObject* repr(PyObject* self) {
    return PyUnicode_FromFormat("<shortcut of %R>", reinterpret_cast<Shortcut*>(self)->plain);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<Shortcut*>(self)->plain);
    return 0;
}

int clear(PyObject* self) {
    Py_CLEAR(reinterpret_cast<Shortcut*>(self)->plain);
    return 0;
}

void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

// What one may ask of the function: its name, its module, its docstring.
PyObject* of_plain(PyObject* self, void* name) {
    auto* s = reinterpret_cast<Shortcut*>(self);
    return PyObject_GetAttrString(s->plain, static_cast<const char*>(name));
}

char kDoc[] = "__doc__", kModule[] = "__module__", kName[] = "__name__", kFull[] = "__qualname__";
PyGetSetDef attributes[] = {{kDoc, of_plain, nullptr, nullptr, kDoc},
                            {kModule, of_plain, nullptr, nullptr, kModule},
                            {kName, of_plain, nullptr, nullptr, kName},
                            {kFull, of_plain, nullptr, nullptr, kFull},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef members[] = {
    {"__wrapped__", T_OBJECT, offsetof(Shortcut, plain), READONLY, "the Python function"},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Shortcut, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_descr_get, reinterpret_cast<void*>(bind)},
                       {Py_tp_repr, reinterpret_cast<void*>(repr)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_members, members},
                       {Py_tp_getset, attributes},
                       {0, nullptr}};

PyType_Spec spec = {"tinygrad_cv._core.Shortcut", sizeof(Shortcut), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                        Py_TPFLAGS_METHOD_DESCRIPTOR,
                    slots};

Fast find(const std::string& name) {
    for (const auto& f : call_functions)
        if (name == f.name) return f.call;
    for (const auto& f : walk_functions)
        if (name == f.name) return f.call;
    for (const auto& f : arithmetic_functions)
        if (name == f.name) return f.call;
    for (const auto& f : border_functions)
        if (name == f.name) return f.call;
    throw std::invalid_argument("shortcut: there is none for '" + name + "'");
}

py::object make(const py::function& plain) {
    static PyTypeObject* const type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (type == nullptr) throw py::error_already_set();
    const Fast fast = find(py::cast<std::string>(plain.attr("__qualname__")));
    auto* s = reinterpret_cast<Shortcut*>(type->tp_alloc(type, 0));
    if (s == nullptr) throw py::error_already_set();
    s->vectorcall = call;
    s->fast = fast;
    s->plain = new_reference(plain.ptr());
    return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(s));
}

Py_ssize_t offset(const py::handle& type, const char* name) {
    const py::object member = type.attr(name);
    if (Py_TYPE(member.ptr()) != &PyMemberDescr_Type) {
        throw std::invalid_argument(std::string("connect: not a slot: ") + name);
    }
    return reinterpret_cast<PyMemberDescrObject*>(member.ptr())->d_member->offset;
}

void connect(const py::dict& names) {
    const auto take = [&](const char* name) { return py::object(names[name]).release().ptr(); };
    engine.tensor = reinterpret_cast<PyTypeObject*>(take("Tensor"));
    engine.gate = take("Gate");
    engine.clock = take("clock");
    engine.watch = take("watch");
    engine.memory = take("memory");
    engine.shared = take("shared");
    engine.leaf = reinterpret_cast<PyTypeObject*>(take("Leaf"));
    engine.below_mask = take("below_mask");
    engine.cpu_room = take("cpu_room");
    engine.finish_watched = take("finish_watched");
    engine.zero_dim = take("zero_dim");
    engine.step = take("step");
    const py::handle tensor(reinterpret_cast<PyObject*>(engine.tensor)), gate(engine.gate);
    const py::handle leaf(reinterpret_cast<PyObject*>(engine.leaf));
    engine.leaf_tensor = offset(leaf, "tensor");
    engine.leaf_hooks = offset(leaf, "hooks");
    engine.array = offset(tensor, "array");
    engine.grad = offset(tensor, "grad");
    engine.node = offset(tensor, "node");
    engine.parents = offset(gate, "parents");
    engine.saved = offset(gate, "saved");
    engine.seq = offset(gate, "seq");
    engine.extra = offset(gate, "extra");
    enabled = true;
}

}  // namespace

bool trusted(PyObject* gate) {
    static PyObject* const name = PyUnicode_InternFromString("trusted");
    return _PyType_Lookup(Py_TYPE(gate), name) == Py_True;
}

void bind_shortcuts(py::module_& m) {
    m.def(
        "shortcut", &make, py::arg("plain"),
        "shortcut(plain: Callable) -> Callable\n\n"
        "The Python function with C++ before it for the usual case; its __qualname__ says which.");
    m.def("connect_engine", &connect, py::arg("names"),
          "connect_engine(names: dict) -> None\n\n"
          "Says which classes and functions the graph is made of, and switches shortcuts on.");
    m.def(
        "use_shortcuts",
        [](bool mode) {
            const bool before = enabled;
            enabled = mode;
            return before;
        },
        py::arg("mode"),
        "use_shortcuts(mode: bool) -> bool\n\n"
        "Switches them on or off, in all threads; gives what was before.");
}

}  // namespace tinygrad_cv
