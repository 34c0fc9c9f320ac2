"""Writes in place: values change where they are, and the graph learns of it.

A recorded write makes the tensor the result of a new gate; a write through a view makes its base the
result of one, and all views of it are views of that. What was read before the write keeps its
graph: operands that a local gradient needs are copied first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine import grad_mode, memory
from tinygrad_cv.engine.gate import extra_of
from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import Leaf, Tensor, wrap
from tinygrad_cv.engine.views import View, view_of, views_of
from tinygrad_cv.functional.bounds import nan_where
from tinygrad_cv.functional.indexing import bounded, plain_key
from tinygrad_cv.gates.indexing import Put, write_at

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def update(where: str, target: Tensor, function: Any, *operands: Any, **settings: Any) -> Tensor:
    """Put ``function(target, *operands)`` in the place of the target's values.

    Raises
    ------
    RuntimeError
        A leaf that requires a gradient, or a view of one, outside `no_grad`; memory that shows one
        element several times.
    ValueError
        A result of another shape than the target.
    TypeError
        A result of a higher kind of dtype, as floats for an int target.
    """
    recorded = _start(where, target, *operands)
    if recorded:
        old = wrap(target.array.copy(), target.node)
        operands = tuple([old if x is target else x for x in operands])
        result = function(old, *operands, **settings)
    else:
        result = function(target, *operands, **settings)
    _fit(where, target, result.array)
    if not recorded:
        _store(target, result.array)
        return target
    if result.array.dtype != target.array.dtype:
        result = result.to(target.dtype)
    view = view_of(target)
    if view is None:
        _store(target, result.array)
        _set_node(target, result.node)
        _renew_views(target)
    else:
        _put_in_base(view, ..., result)
    return target


def put(where: str, target: Tensor, key: Any, value: Any) -> Tensor:
    """Write `value` (a tensor, or what can be made one) at target[key]; raises as `update`."""
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(value, like=target.array))
    recorded = _start(where, target, value)
    key, value = _inside(where, target, plain_key(key), value)
    if not recorded:
        _assign(where, target.array, key, value.array)
        memory.wrote(target.array)
        return target
    shown = target.array[key]
    value = _broadcastable(where, value.to(target.dtype), getattr(shown, "shape", ()))
    view = view_of(target)
    if view is None:
        _put(target, key, value)
    else:
        _put_in_base(view, key, value)
    return target


def _inside(where: str, target: Tensor, key: Any, value: Tensor) -> tuple[Any, Tensor]:
    """The key, and the value: on a GPU NaN, if the key names what is not there (see `bounds`)."""
    try:
        key, outside = bounded(target.array, key)
    except IndexError as error:
        raise IndexError(f"{where}: {error} (the tensor has shape {target.shape})") from None
    return key, value if outside is None else nan_where(outside, value.to(target.dtype))


def _start(where: str, target: Tensor, *operands: Any) -> bool:
    """Whether the write is to be recorded, once it is known to be allowed."""
    if not memory.writeable(target.array):
        raise RuntimeError(
            f"{where}: the tensor's memory is read-only, or shows one element several times as "
            "after expand(); write to a clone()"
        )
    if not grad_mode.is_grad_enabled():
        return False
    view = view_of(target)
    base = target if view is None else view.base
    for tensor, what in ((target, "a leaf"), (base, "a view of a leaf")):
        if tensor.node.__class__ is Leaf:
            raise RuntimeError(
                f"{where}: the tensor is {what} that requires a gradient, which a write in place "
                "would falsify; write inside no_grad(), or to a clone()"
            )
    recorded = any(x.node is not None for x in (target, base, *operands) if isinstance(x, Tensor))
    if recorded and view is not None and not view.recorded:
        raise RuntimeError(
            f"{where}: the tensor is a view made inside no_grad(), so the graph of its base cannot "
            "learn of the write; make the view outside, or write inside no_grad() as well"
        )
    return recorded


def _fit(where: str, target: Tensor, array: Any) -> None:
    """Raise unless the values can be written over the target's."""
    if array.shape != target.array.shape:
        raise ValueError(
            f"{where}: the result has shape {array.shape}, which does not fit the tensor's "
            f"{target.array.shape}"
        )
    if _RANK[array.dtype.kind] > _RANK[target.array.dtype.kind]:
        raise TypeError(
            f"{where}: the result is {array.dtype}, which does not fit the tensor's "
            f"{target.array.dtype}"
        )


def _store(target: Tensor, array: Any) -> None:
    np.copyto(target.array, array, casting="unsafe")
    memory.wrote(target.array)


def _assign(where: str, array: Any, key: Any, values: Any) -> None:
    try:
        write_at(array, key, values)
    except IndexError as error:
        raise IndexError(f"{where}: {error} (the tensor has shape {array.shape})") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _broadcastable(where: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The value without leading dimensions that the place does not have."""
    extra = value.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in value.shape[:extra]):
        value = value.reshape(value.shape[extra:])
    try:
        fits = np.broadcast_shapes(value.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{where}: value of shape {value.shape} does not fit a place of {shape}")
    return value


def _put(base: Tensor, key: Any, value: Tensor) -> None:
    """A recorded write into memory that `base` owns."""
    out = Put(key, in_place=True)(base, value)
    memory.wrote(base.array)
    _set_node(base, out.node)
    _renew_views(base)


def _put_in_base(view: View, key: Any, value: Tensor) -> None:
    """A recorded write through a view."""
    base = view.base
    if base.array.ndim:
        _put(base, np.unravel_index(view.positions()[key], base.shape), value)
    else:
        _put(base, ..., value.reshape(()))


def _renew_views(base: Tensor) -> None:
    """Views show the memory as it is now: their gradients go where the base's goes now."""
    for tensor in views_of(base):
        view = view_of(tensor)
        if view is not None and view.recorded and tensor.node.__class__ is not Leaf:
            _set_node(tensor, view.node())


def _set_node(tensor: Tensor, node: Any) -> None:
    """Hang the tensor on another node; what `retain_grad` asked for goes along."""
    old = tensor.node
    tensor.node = node
    if old is None or isinstance(old, Leaf) or old.extra is None or node is None:
        return
    for ref in old.extra.retained:
        if ref() is tensor:
            old.extra.retained.remove(ref)
            extra_of(node).retained.append(ref)
            break


# The methods


def _method(name: str) -> Any:
    """``Tensor.name_``: the method of that name, in place."""
    compute = getattr(Tensor, name)

    def method(self: Tensor, *args: Any, **settings: Any) -> Tensor:
        return update(f"{name}_", self, compute, *args, **settings)

    method.__name__ = f"{name}_"
    method.__doc__ = f"As `{name}`, written in place; returns the tensor itself."
    return method


_METHODS = [
    "abs",
    "add",
    "atan2",
    "ceil",
    "clamp",
    "clip",
    "cos",
    "cumprod",
    "cumsum",
    "div",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "hypot",
    "index_add",
    "index_copy",
    "index_fill",
    "lerp",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "masked_fill",
    "mul",
    "nan_to_num",
    "neg",
    "pow",
    "reciprocal",
    "relu",
    "remainder",
    "round",
    "rsqrt",
    "scatter",
    "scatter_add",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "tan",
    "tanh",
    "tril",
    "triu",
    "trunc",
]

_ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
}


def _operator(name: str, function: Any, ufunc: Any = None) -> Any:
    """``Tensor.__iname__``; without a graph NumPy writes the result straight into the memory."""
    where = f"__i{name}__"

    def operator(self: Tensor, other: Any) -> Tensor:
        y = other.array if isinstance(other, Tensor) else other
        array = self.array
        if (
            ufunc is None
            or array.dtype.kind != "f"
            or (
                y.__class__ is not float
                and y.__class__ is not int
                and getattr(y, "shape", None) != array.shape
            )
            or _start(where, self, other)
        ):
            return update(where, self, function, other)
        with np.errstate(all="ignore"):
            ufunc(array, y, out=array, casting="unsafe")
        memory.wrote(array)
        return self

    operator.__name__ = where
    return operator


def _set_item(self: Tensor, key: Any, value: Any) -> None:
    """Write `value`, broadcast, at self[key]."""
    put("__setitem__", self, key, value)


def copy_(self: Tensor, src: Any) -> Tensor:
    """Write the values of `src`, broadcast, over this tensor's, in this tensor's dtype."""
    return put("copy_", self, ..., src)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one number everywhere."""
    if getattr(value, "ndim", 0):
        raise ValueError(f"fill_: value must be one number, got shape {value.shape}")
    return put("fill_", self, ..., value)


def zero_(self: Tensor) -> Tensor:
    """Write 0 everywhere."""
    return put("zero_", self, ..., 0)


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Write the first elements of `source` where `mask` (bools, broadcast) is true.

    Raises
    ------
    ValueError
        Fewer elements than places.
    """
    chosen = np.broadcast_to(mask.array, self.shape)
    count = int(chosen.sum())
    if source.numel() < count:
        raise ValueError(f"masked_scatter_: {count} places but source has {source.numel()} numbers")
    return put("masked_scatter_", self, wrap(chosen), source.reshape(-1)[:count])


def _draws(where: str, target: Tensor, draw: Any) -> Tensor:
    if target.array.dtype.kind != "f":
        raise TypeError(f"{where}: expected floats, got {target.dtype}")
    return put(where, target, ..., draw(target.shape).astype(target.dtype, copy=False))


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Write normally distributed random numbers.

    Raises
    ------
    ValueError
        A negative std.
    """
    if std < 0:
        raise ValueError(f"normal_: std must be >= 0, got {std}")
    numbers = (generator or default_generator).numpy
    return _draws("normal_", self, lambda shape: numbers.normal(mean, std, shape))


def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Write random numbers that are uniform in [from, to).

    Raises
    ------
    ValueError
        An empty range.
    """
    if to < from_:
        raise ValueError(f"uniform_: no number lies from {from_} up to {to}")
    numbers = (generator or default_generator).numpy
    return _draws("uniform_", self, lambda shape: numbers.uniform(from_, to, shape))


def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Write 1 with probability `p`, else 0.

    Raises
    ------
    ValueError
        A probability outside [0, 1].
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"bernoulli_: p must be in [0, 1], got {p}")
    numbers = (generator or default_generator).numpy
    return _draws("bernoulli_", self, lambda shape: numbers.random(shape) < p)


_OPERATORS = ("add", "sub", "mul", "truediv", "pow", "floordiv", "mod", "and", "or", "xor")
_WRITES = (copy_, fill_, zero_, masked_scatter_, normal_, uniform_, bernoulli_)


def attach() -> None:
    """Hang the writes on `Tensor`, once it has the functions that they are named after."""
    for name in _METHODS:
        setattr(Tensor, f"{name}_", _method(name))
    for name in _OPERATORS:
        function = getattr(Tensor, f"__{name}__")
        setattr(Tensor, f"__i{name}__", _operator(name, function, _ARITHMETIC.get(name)))
    for write in _WRITES:
        setattr(Tensor, write.__name__, write)
    Tensor.__setitem__ = _set_item  # type: ignore[method-assign]
