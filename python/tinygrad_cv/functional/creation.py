"""Tensors made from nothing but a shape and a dtype. Floats are float32 unless `dtype` says otherwise."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import get_default_device, in_default_place, placed, require_device
from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import Tensor, from_numpy, tensor, wrap
from tinygrad_cv.functional.methods import ints

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from tinygrad_cv.engine.device import device as Device

# What every factory takes besides its own arguments.
_SHARED = [
    inspect.Parameter("device", inspect.Parameter.KEYWORD_ONLY, default=None),
    inspect.Parameter("requires_grad", inspect.Parameter.KEYWORD_ONLY, default=False),
]


def _factory(values: Callable[..., Any]) -> Callable[..., Tensor]:
    """The function as one that makes a tensor of its array, with a `device` and `requires_grad`."""

    @functools.wraps(values)
    def make(
        *args: Any,
        device: str | Device | None = None,
        requires_grad: bool = False,
        **settings: Any,
    ) -> Tensor:
        like = args[0] if args else settings.get("input")
        if device is None and isinstance(like, Tensor):
            device = like.device
        place = None if device is None else require_device(device)  # before a number is drawn
        array = values(*args, **settings)
        out = wrap(in_default_place(array) if place is None else placed(array, place))
        return out.requires_grad_() if requires_grad else out

    own = inspect.signature(values)
    make.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), *_SHARED], return_annotation="Tensor"
    )
    return make


def _shape(where: str, lengths: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """The shape of ``f(2, 3)``, ``f((2, 3))`` and ``f(size=(2, 3))`` alike."""
    shape = ints(where, lengths, size)
    if min(shape, default=0) < 0:
        raise ValueError(f"{where}: lengths must be >= 0, got {shape}")
    return shape


@_factory
def zeros(*lengths: Any, size: Any = None, dtype: Any = None) -> Any:
    """Zeros: ``zeros(2, 3)``, ``zeros((2, 3))`` or ``zeros(size=(2, 3))``."""
    return np.zeros(_shape("zeros", lengths, size), dtype or np.float32)


@_factory
def ones(*lengths: Any, size: Any = None, dtype: Any = None) -> Any:
    """Ones."""
    return np.ones(_shape("ones", lengths, size), dtype or np.float32)


@_factory
def empty(*lengths: Any, size: Any = None, dtype: Any = None) -> Any:
    """Memory whose values are whatever was there."""
    return np.empty(_shape("empty", lengths, size), dtype or np.float32)


@_factory
def full(size: Any, fill_value: Any, *, dtype: Any = None) -> Any:
    """`fill_value` everywhere; its kind decides the dtype: bool, int64 or float32."""
    if dtype is None:
        dtype = {bool: np.bool_, int: np.int64}.get(type(fill_value), np.float32)
    return np.full(_shape("full", (size,)), fill_value, dtype)


@_factory
def zeros_like(input: Tensor, *, dtype: Any = None) -> Any:
    """Zeros of the shape and dtype of `input`."""
    return np.zeros(input.shape, dtype or input.dtype)


@_factory
def ones_like(input: Tensor, *, dtype: Any = None) -> Any:
    """Ones of the shape and dtype of `input`."""
    return np.ones(input.shape, dtype or input.dtype)


@_factory
def empty_like(input: Tensor, *, dtype: Any = None) -> Any:
    """Memory of the shape and dtype of `input`, whatever its values."""
    return np.empty(input.shape, dtype or input.dtype)


@_factory
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None) -> Any:
    """`fill_value` in the shape and dtype of `input`."""
    return np.full(input.shape, fill_value, dtype or input.dtype)


@_factory
def eye(n: int, m: int | None = None, *, dtype: Any = None) -> Any:
    """Ones on the diagonal of n rows and m columns (default n), zeros elsewhere."""
    rows, columns = _shape("eye", (n, n if m is None else m))
    return np.eye(rows, columns, dtype=dtype or np.float32)


@_factory
def arange(start: Any = None, end: Any = None, step: Any = 1, *, dtype: Any = None) -> Any:
    """start, start + step, … below `end`: ``arange(end)`` starts at 0. Ints give int64.

    Raises
    ------
    TypeError
        No `end`.
    ValueError
        A step of 0, or one that leads away from `end`.
    """
    if end is None:
        start, end = 0, start
    if end is None:
        raise TypeError("arange: expected arange(end) or arange(start, end), got no end")
    start = 0 if start is None else start
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = all(isinstance(n, (int, np.integer)) for n in (start, end, step))
        dtype = np.int64 if whole else np.float32
    return np.arange(start, end, step).astype(dtype)


@_factory
def linspace(start: builtins.float, end: builtins.float, steps: int, *, dtype: Any = None) -> Any:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    if steps < 0:
        raise ValueError(f"linspace: steps must be >= 0, got {steps}")
    return np.linspace(start, end, steps).astype(dtype or np.float32)


def _numpy(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).numpy


def _draw(draw: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Draw floats in the precision asked for: NumPy draws float32 or float64."""
    kind = np.dtype(dtype or np.float32)
    if kind not in (np.float32, np.float64):
        return draw(shape, dtype=np.float32).astype(kind)
    return draw(shape, dtype=kind)


@_factory
def rand(
    *lengths: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Uniform random numbers in [0, 1)."""
    return _draw(_numpy(generator).random, _shape("rand", lengths, size), dtype)


@_factory
def randn(
    *lengths: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Normally distributed random numbers, mean 0, variance 1."""
    return _draw(_numpy(generator).standard_normal, _shape("randn", lengths, size), dtype)


@_factory
def rand_like(input: Tensor, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    """Uniform random numbers in [0, 1) in the shape and dtype of `input`."""
    return _draw(_numpy(generator).random, input.shape, dtype or input.dtype)


@_factory
def randn_like(input: Tensor, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    """Normal random numbers in the shape and dtype of `input`."""
    return _draw(_numpy(generator).standard_normal, input.shape, dtype or input.dtype)


def _draw_ints(
    where: str, low: Any, high: Any, shape: tuple[int, ...], generator: Generator | None
) -> Any:
    if high <= low:
        raise ValueError(f"{where}: no int lies from {low} up to, not including, {high}")
    return _numpy(generator).integers(low, high, shape, np.int64)


@_factory
def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Any:
    """Random ints from low to high - 1: ``randint(high, size)`` starts at 0.

    Raises
    ------
    TypeError
        No size.
    ValueError
        No int lies in the range.
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size)")
    draws = _draw_ints("randint", low, high, _shape("randint", (size,)), generator)
    return draws.astype(dtype or np.int64, copy=False)


@_factory
def randint_like(
    input: Tensor,
    low: Any = 0,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Any:
    """Random ints in the shape and dtype of `input`: ``randint_like(input, high)`` starts at 0.

    Raises as `randint`.
    """
    if high is None:
        low, high = 0, low
    draws = _draw_ints("randint_like", low, high, input.shape, generator)
    return draws.astype(dtype or input.dtype, copy=False)


@_factory
def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    """The ints 0 to n - 1 in random order.

    Raises
    ------
    ValueError
        An n below 0.
    """
    if n < 0:
        raise ValueError(f"randperm: n must be >= 0, got {n}")
    return _numpy(generator).permutation(n).astype(dtype or np.int64, copy=False)


def as_tensor(data: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """`data` as a tensor, without a copy where that is possible.

    A tensor of the right dtype and device is returned as it is, and an array for the CPU shares its
    memory, as with `from_numpy`; all else is copied, as by `tensor`.
    """
    if isinstance(data, np.ndarray) and data.dtype.isnative:
        data, device = from_numpy(data), device or get_default_device()
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return tensor(data, dtype, device)
