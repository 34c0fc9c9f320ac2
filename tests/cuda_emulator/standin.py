"""A strict stand-in for the `cupy` module: device memory is host memory behind a wall.

The fixture `cupy` puts it in CuPy's place. Kernels run on the emulator; everything else is NumPy's, and refuses
what CuPy refuses: NumPy arrays among its arguments, implicit conversion to NumPy, and names, methods
or arguments that CuPy has not (cupy_signatures.txt; a test holds it against the real module where that is
installed). What CuPy leaves undefined is an error here: an index array that names a place outside the
array (CuPy wraps it), or one place twice with two values (any of them may stay).
Fresh memory is NaN, writes outside an allocation are noticed after each launch, and what makes the
host wait for the device is counted in `Cuda.synchronizations`.
"""

from __future__ import annotations

import ctypes
import operator
import weakref
from contextlib import suppress
from functools import wraps
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import emulator
import numpy as np
import signatures


def _words(text: str) -> list[str]:
    return text.split()


# Functions and methods of CuPy that this package calls, directly or as NumPy's, with their parameters.
SIGNATURES = signatures.read()
FUNCTIONS, METHODS = SIGNATURES["function"], SIGNATURES["method"]
# How often CuPy's functions ask the device for the size of their result, or look into an argument.
_WAITS = {
    "argwhere": 1,
    "bincount": 2,
    "flatnonzero": 1,
    "nonzero": 1,
    "unique": 1,
    "unravel_index": 1,
}
_ON_THE_HOST = (
    "may_share_memory",
    "ndim",
    "shares_memory",
    "size",
)  # answered without a look at the values
_AT = ("add", "maximum", "minimum")  # ufuncs whose `at` CuPy has for floats and 32-bit integers
OPERATORS = _words("""
    add sub mul truediv floordiv mod pow matmul and or xor lshift rshift lt le gt ge eq ne
    radd rsub rmul rtruediv rfloordiv rmod rpow rmatmul rand ror rxor neg pos abs invert divmod rdivmod
""")
IN_PLACE = _words("iadd isub imul itruediv ifloordiv imod ipow iand ior ixor")
DTYPES = _words("bool_ uint8 int8 int16 int32 int64 float16 float32 float64")

_FRESH = b"\xfe\x7f"  # NaN in every width, and as an index far too large
# A sanitizer knows where an allocation of the exact size ends, and sees reads behind it as well.
_GUARD = 64 if emulator.KIND == "fast" else 0
_live: weakref.WeakSet[_Memory] = weakref.WeakSet()
_c = ctypes.CDLL(None)
_c.malloc.restype, _c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
_c.free.argtypes = [ctypes.c_void_p]


class _Memory:
    """One allocation of its exact size, between guards, filled with NaN."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.raw = self.start = _c.malloc(size + 2 * _GUARD)  # at a multiple of 16, as _GUARD is
        self.start += _GUARD
        ctypes.memset(self.raw, 0xA5, size + 2 * _GUARD)
        ctypes.memmove(self.start, _FRESH * (size // 2) + _FRESH[: size % 2], size)
        self.buffer = (ctypes.c_char * size).from_address(self.start)
        _live.add(self)

    def check(self) -> None:
        before = ctypes.string_at(self.raw, self.start - self.raw)
        after = ctypes.string_at(self.start + self.size, _GUARD)
        if (before + after).strip(b"\xa5"):
            raise emulator.EmulatorError(f"a kernel wrote outside of {self.size} bytes of memory")

    def __del__(self) -> None:
        _c.free(self.raw)


class Cuda:
    """What of `cupy.cuda` the package uses, and the counts that tests read."""

    synchronizations = 0
    launches = 0
    schedule = 0


class ndarray:
    """A device array: a NumPy array that no NumPy function may see."""

    __array_priority__ = 100

    _host: np.ndarray
    _memory: _Memory
    base: ndarray | None

    def __new__(cls, shape: Any, dtype: Any = float) -> ndarray:
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        kind = np.dtype(dtype)
        memory = _Memory(int(np.prod(shape, dtype=np.int64)) * kind.itemsize)
        flat = np.frombuffer(memory.buffer, kind) if memory.size else np.empty(0, kind)
        return _wrap(flat.reshape(shape), memory, None)

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    strides = property(lambda self: self._host.strides)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    device = property(lambda self: Device(0))
    T = property(lambda self: _wrapped_view(self, self._host.T))
    real = property(lambda self: self)

    @property
    def flags(self) -> SimpleNamespace:
        flags = self._host.flags
        names = ("c_contiguous", "f_contiguous", "forc", "fnc")
        return SimpleNamespace(
            owndata=self.base is None, **{name: getattr(flags, name) for name in names}
        )

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        strides = None if self.flags.c_contiguous else self.strides
        pointer = (self._host.ctypes.data, False)
        return {"shape": self.shape, "typestr": self.dtype.str, "data": pointer,
                "strides": strides, "version": 3}  # fmt: skip

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a "
            "NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if ufunc.__name__ not in FUNCTIONS:
            raise TypeError(f"cupy has no ufunc {ufunc.__name__}")
        if method == "__call__":
            return _run(ufunc.__name__, ufunc, *args, **kwargs)
        return _ufunc_method(ufunc, method, *args, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = ".".join([*function.__module__.split(".")[1:], function.__name__])
        if name in _OWN:
            return _OWN[name](*args, **kwargs)
        if name not in FUNCTIONS:
            raise TypeError(f"cupy has no function {name}")
        return _run(name, function, *args, **kwargs)

    def get(self, **kwargs: Any) -> np.ndarray:
        Cuda.synchronizations += 1
        return np.array(self._host)

    def set(self, values: np.ndarray) -> None:
        if not isinstance(values, np.ndarray) or values.dtype != self.dtype:
            raise TypeError(f"{self.dtype} of a numpy.ndarray expected, got {type(values)}")
        self._host[...] = values

    def item(self) -> Any:
        Cuda.synchronizations += 1
        return self._host.item()

    def tolist(self) -> Any:
        Cuda.synchronizations += 1
        return self._host.tolist()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        raise TypeError(f"{type(self)} object cannot be interpreted as an integer")

    def __reduce__(self) -> Any:
        return array, (self.get(),)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        key = _indices(index)  # under a name of its own: `index` keeps its arrays' memory alive
        if _arrays_in(key, np.bool_):
            Cuda.synchronizations += 1
        result = _inside(self._host, key)
        if _arrays_in(key, np.bool_) or _arrays_in(key, np.integer):
            return _upload(result)
        if isinstance(result, np.generic):  # a view in CuPy as well
            result = self._host[(*(key if isinstance(key, tuple) else (key,)), ...)]
        return _wrapped_view(self, result)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        key, values = _indices(index), value if isinstance(value, np.ndarray) else _down(value)
        _inside(self._host, key)
        self._host[key] = values
        if _arrays_in(key, np.integer):
            found = self._host[key]
            wanted = np.asarray(values, found.dtype) + 0 * found
            if not np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f"):
                raise emulator.EmulatorError("one place is written twice, with two values")

    def __repr__(self) -> str:
        return repr(self._host)

    __hash__ = None  # type: ignore[assignment]


ndarray.__module__ = "cupy"


def _wrap(host: np.ndarray, memory: _Memory, base: ndarray | None) -> ndarray:
    out = object.__new__(ndarray)
    out._host, out._memory, out.base = host, memory, base
    return out


def _wrapped_view(array: ndarray, host: np.ndarray) -> ndarray:
    return _wrap(host, array._memory, array if array.base is None else array.base)


def _upload(host: Any) -> ndarray:
    host = np.asarray(host)
    out = ndarray(host.shape, host.dtype)
    out._host[...] = host
    return out


def _down(given: Any) -> Any:
    """Arguments for NumPy: device arrays unwrapped, NumPy's own arrays refused, as CuPy does."""
    if isinstance(given, ndarray):
        return given._host
    if isinstance(given, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(given, (list, tuple)):
        return type(given)(map(_down, given))
    if isinstance(given, dict):
        return {name: _down(value) for name, value in given.items()}
    return given


def _indices(index: Any) -> Any:
    """CuPy takes NumPy arrays as indices: they are copied to the device."""
    if isinstance(index, tuple):
        return tuple(map(_indices, index))
    return index if isinstance(index, np.ndarray) else _down(index)


def _arrays_in(index: Any, kind: Any) -> list[np.ndarray]:
    """The arrays of such a dtype among the parts of an index."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(p) for p in parts if isinstance(p, (np.ndarray, list))]
    return [a for a in arrays if a.ndim and np.issubdtype(a.dtype, kind)]


def _inside(host: np.ndarray, index: Any) -> Any:
    """host[index], if CuPy would read the same."""
    if len(_arrays_in(index, np.bool_)) > 1:
        raise ValueError("CuPy takes one boolean array in an index")
    try:
        return host[index]
    except IndexError as error:
        if _arrays_in(index, np.integer):
            raise emulator.EmulatorError(f"CuPy wraps an index: {error}") from error
        raise


def _up(result: Any, given: Any = ()) -> Any:
    """NumPy's result on the device: a view where it shows the memory of an argument."""
    if isinstance(result, (tuple, list)):
        return type(result)(_up(part, given) for part in result)
    if not isinstance(result, (np.ndarray, np.generic, bool, int, float)):
        return result
    if isinstance(result, np.ndarray):
        for array in given:
            if isinstance(array, ndarray) and np.may_share_memory(result, array._host):
                if isinstance(result.base, np.ndarray) and not result.flags.writeable:
                    with suppress(ValueError):  # a diagonal, which CuPy lets one write to
                        result.flags.writeable = True
                return _wrapped_view(array, result)
    return _upload(result)


@np.errstate(all="ignore")  # a GPU does not warn
def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    result = function(*_down(args), **_down(kwargs))
    out = kwargs.get("out")
    if out is not None:
        return out[0] if isinstance(out, tuple) and len(out) == 1 else out
    return _up(result, args)


def _check_arguments(kind: str, name: str, args: Any, kwargs: Any) -> None:
    """CuPy's function or method of this name takes such arguments."""
    names = SIGNATURES[kind][name]
    if names == ["ufunc"]:
        names = ["*args", "out", "dtype", "casting"]
    starred = [n.startswith("*") for n in names]
    positional = names.index(next(n for n in names if n[0] == "*")) if any(starred) else len(names)
    many = any(n[0] == "*" and n[1:2] not in ("*", "_") for n in names)
    if len(args) > positional and not many:
        raise TypeError(f"cupy's {name}() takes {positional} positional arguments, got {len(args)}")
    unknown = set(kwargs) - {n for n in names if n[0] != "*"}
    if unknown and not names[-1].startswith("**"):
        raise TypeError(f"cupy's {name}() has no argument {', '.join(sorted(unknown))}")


def _run(name: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of CuPy's, done by NumPy's."""
    _check_arguments("function", name, args, kwargs)
    Cuda.synchronizations += _WAITS.get(name, 0)
    if name in _ON_THE_HOST:
        return function(*_down(args), **_down(kwargs))
    return _call(function, *args, **kwargs)


def _ufunc_method(ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
    """``np.add.reduce`` and its kind, as far as CuPy has them."""
    name, array = ufunc.__name__, args[0]
    have = {
        "reduce": ("add", "multiply"),
        "accumulate": ("add", "multiply"),
        "reduceat": ("add",),
        "at": _AT,
    }
    if name not in have.get(method, ()) or (set(kwargs) - {"axis", "dtype", "out", "keepdims"}):
        raise NotImplementedError(f"`cupy_{name}.{method}` is not supported yet")
    if method == "at" and array.dtype not in (np.int32, np.float32, np.float64):
        raise TypeError(f"cupy.{name}.at does not support {array.dtype}")
    return _call(getattr(ufunc, method), *args, **kwargs)


def _function(name: str) -> Any:
    function: Any = np
    for part in name.split("."):
        function = getattr(function, part)
    return lambda *args, **kwargs: _run(name, function, *args, **kwargs)


def _method(name: str) -> Any:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        if name in METHODS:
            _check_arguments("method", name, args, kwargs)
            Cuda.synchronizations += _WAITS.get(name, 0)
        return _call(lambda host, *a, **k: getattr(host, name)(*a, **k), self, *args, **kwargs)

    return method


def _in_place(name: str) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        with np.errstate(all="ignore"):
            getattr(operator, name)(self._host, _down(other))
        return self

    return method


for _name in METHODS:
    setattr(ndarray, _name, _method(_name))
for _name in OPERATORS:
    setattr(ndarray, f"__{_name}__", _method(f"__{_name}__"))
for _name in IN_PLACE:
    setattr(ndarray, f"__{_name}__", _in_place(_name))


# ---- making arrays ----


def asarray(given: Any, dtype: Any = None, order: Any = None) -> ndarray:
    if isinstance(given, ndarray):
        return given if dtype in (None, given.dtype) else given.astype(dtype)
    return _upload(np.asarray(given, dtype))


def array(given: Any, dtype: Any = None, copy: bool = True, order: Any = None) -> ndarray:
    host = given._host if isinstance(given, ndarray) else given
    return _upload(np.array(host, dtype))


def ascontiguousarray(given: ndarray, dtype: Any = None) -> ndarray:
    if given.flags.c_contiguous and dtype in (None, given.dtype):
        return given
    return _upload(np.ascontiguousarray(given._host, dtype))


def asnumpy(given: Any) -> np.ndarray:
    return given.get() if isinstance(given, ndarray) else np.asarray(given)


def empty(shape: Any, dtype: Any = float) -> ndarray:
    return ndarray(shape, dtype)


def full(shape: Any, value: Any, dtype: Any = None) -> ndarray:
    out = ndarray(shape, np.asarray(value).dtype if dtype is None else dtype)
    out._host[...] = _down(value)
    return out


def zeros(shape: Any, dtype: Any = float) -> ndarray:
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = float) -> ndarray:
    return full(shape, 1, dtype)


def empty_like(given: ndarray, dtype: Any = None, shape: Any = None, order: Any = None) -> ndarray:
    return ndarray(given.shape if shape is None else shape, dtype or given.dtype)


_OWN = {
    function.__name__: function
    for function in (
        asarray, array, ascontiguousarray, asnumpy, empty, full, zeros, ones, empty_like
    )
}  # fmt: skip


# ---- kernels, devices, memory ----


class RawModule:
    """A source compiled for the emulator."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        self._kernels = emulator.build(code)

    def get_function(self, name: str) -> Any:
        kernel = self._kernels[name]

        def launch(grid: Any, block: Any, args: Any) -> None:
            for given in args:
                if not isinstance(given, (ndarray, np.generic, int, float)):
                    raise TypeError(f"Unsupported type {type(given)}")
            # CuPy makes 1 of 0 here, and a program that meant 0 blocks goes on to write.
            kernel(tuple(max(1, n) for n in grid), block, tuple(map(_value, args)), Cuda.schedule)
            Cuda.launches += 1
            for memory in list(_live):
                memory.check()

        return launch


def _value(given: Any) -> np.generic:
    """A kernel's argument as CuPy passes it: Python's numbers have 64 bits, whatever the kernel has."""
    if isinstance(given, ndarray):
        return np.uint64(given._host.ctypes.data)
    if isinstance(given, np.generic):
        return given
    return np.int64(given) if isinstance(given, int) else np.float64(given)


class Device:
    """The one GPU that the emulator plays."""

    def __init__(self, id: int | None = None) -> None:
        if id not in (None, 0):
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self.id = 0
        # Few, so that the plans for a GPU that is filled are reached by small shapes.
        self.attributes = {"MultiProcessorCount": 4, "ComputeCapabilityMajor": 8}

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def use(self) -> Device:
        return self

    def synchronize(self) -> None:
        Cuda.synchronizations += 1


class CUDARuntimeError(RuntimeError):
    """What a driver call of CuPy raises."""


class Stream:
    """A stream; the emulator has finished when a launch returns."""

    null: Stream

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        pass

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def synchronize(self) -> None:
        Cuda.synchronizations += 1


class MemoryPool:
    """The memory that live arrays hold."""

    def used_bytes(self) -> int:
        return sum(memory.size for memory in _live)

    def total_bytes(self) -> int:
        return self.used_bytes()

    def free_all_blocks(self) -> None:
        pass


def module() -> ModuleType:
    """The stand-in as a module."""
    made = ModuleType("cupy")
    made.__spec__ = ModuleSpec("cupy", None)
    made.__dict__.update({name: _function(name) for name in FUNCTIONS if "." not in name})
    made.__dict__.update({name: getattr(np, name) for name in DTYPES})
    own = (
        ndarray,
        asarray,
        array,
        ascontiguousarray,
        asnumpy,
        empty,
        full,
        zeros,
        ones,
        empty_like,
    )
    made.__dict__.update({thing.__name__: thing for thing in (*own, RawModule)})
    pool = MemoryPool()
    made.__dict__.update(
        __version__="14.2.0+emulator",
        newaxis=None,
        get_default_memory_pool=lambda: pool,
        cuda=SimpleNamespace(
            Device=Device,
            Stream=Stream,
            is_available=lambda: True,
            get_current_stream=lambda: Stream(),
            runtime=SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=CUDARuntimeError),
        ),
    )
    return made


class HostRoom:
    """A room of device kernels as one of NumPy arrays: arrays go up, results come down."""

    def __init__(self, room: Any, cupy: ModuleType) -> None:
        self._room, self._cupy, self.name = room, cupy, room.name

    def __getattr__(self, function: str) -> Any:
        kernel = getattr(self._room, function)

        @wraps(kernel)
        def run(*args: Any) -> Any:
            up = [self._cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
            result = kernel(*up)
            if isinstance(result, tuple):
                return tuple(map(self._cupy.asnumpy, result))
            return self._cupy.asnumpy(result)

        return run
