"""Tensors made from nothing but a shape and a dtype. Floats are float32 unless `dtype` says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import placed
from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import Tensor, from_numpy, tensor, wrap

if TYPE_CHECKING:
    import builtins

    from tinygrad_cv.engine.device import device as Device


def _shape(where: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of ``f(2, 3)`` and ``f((2, 3))`` alike."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)):
        size = tuple(size[0])
    for n in size:
        if not isinstance(n, (int, np.integer)):
            raise TypeError(f"{where}: lengths must be ints, got {n!r}")
        if n < 0:
            raise ValueError(f"{where}: lengths must be >= 0, got {tuple(size)}")
    return tuple(int(n) for n in size)


def _made(array: Any, device: str | Device | None, requires_grad: bool) -> Tensor:
    out = wrap(array if device is None else placed(array, device))
    return out.requires_grad_() if requires_grad else out


def zeros(
    *size: Any, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False
) -> Tensor:
    """Zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return _made(np.zeros(_shape("zeros", size), dtype or np.float32), device, requires_grad)


def ones(
    *size: Any, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False
) -> Tensor:
    """Ones."""
    return _made(np.ones(_shape("ones", size), dtype or np.float32), device, requires_grad)


def empty(
    *size: Any, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False
) -> Tensor:
    """Memory whose values are whatever was there."""
    return _made(np.empty(_shape("empty", size), dtype or np.float32), device, requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` everywhere; its kind decides the dtype: bool, int64 or float32."""
    if dtype is None:
        kind = type(fill_value)
        dtype = {bool: np.bool_, int: np.int64}.get(kind, np.float32)
    shape = _shape("full", (size,) if isinstance(size, int) else tuple(size))
    return _made(np.full(shape, fill_value, dtype), device, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    return _made(np.zeros(input.shape, dtype or input.dtype), device or input.device, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    return _made(np.ones(input.shape, dtype or input.dtype), device or input.device, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory of the shape and dtype of `input`, whatever its values."""
    return _made(np.empty(input.shape, dtype or input.dtype), device or input.device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` in the shape and dtype of `input`."""
    return _made(
        np.full(input.shape, fill_value, dtype or input.dtype),
        device or input.device,
        requires_grad,
    )


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of n rows and m columns (default n), zeros elsewhere."""
    shape = _shape("eye", (n, n if m is None else m))
    return _made(np.eye(*shape, dtype=dtype or np.float32), device, requires_grad)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … below `end`: ``arange(end)`` starts at 0. Ints give int64.

    Raises
    ------
    ValueError
        A step of 0, or one that leads away from `end`.
    """
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = all(isinstance(n, (int, np.integer)) for n in (start, end, step))
        dtype = np.int64 if whole else np.float32
    return _made(np.arange(start, end, step).astype(dtype), device, requires_grad)


def linspace(
    start: builtins.float,
    end: builtins.float,
    steps: int,
    *,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    if steps < 0:
        raise ValueError(f"linspace: steps must be >= 0, got {steps}")
    values = np.linspace(start, end, steps).astype(dtype or np.float32)
    return _made(values, device, requires_grad)


def _numpy(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).numpy


def _draw(draw: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Draw floats in the precision asked for: NumPy draws float32 or float64."""
    kind = np.dtype(dtype or np.float32)
    if kind not in (np.float32, np.float64):
        return draw(shape, dtype=np.float32).astype(kind)
    return draw(shape, dtype=kind)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    draws = _draw(_numpy(generator).random, _shape("rand", size), dtype)
    return _made(draws, device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normally distributed random numbers, mean 0, variance 1."""
    draws = _draw(_numpy(generator).standard_normal, _shape("randn", size), dtype)
    return _made(draws, device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1) in the shape and dtype of `input`."""
    draws = _draw(_numpy(generator).random, input.shape, dtype or input.dtype)
    return _made(draws, device or input.device, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers in the shape and dtype of `input`."""
    draws = _draw(_numpy(generator).standard_normal, input.shape, dtype or input.dtype)
    return _made(draws, device or input.device, requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random ints from low to high - 1: ``randint(high, size)`` starts at 0.

    Raises
    ------
    ValueError
        No int lies in the range.
    """
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise ValueError(f"randint: no int lies from {low} up to, not including, {high}")
    shape = _shape("randint", (size,) if isinstance(size, int) else tuple(size))
    draws = _numpy(generator).integers(low, high, shape, np.int64)
    return _made(draws.astype(dtype or np.int64, copy=False), device, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The ints 0 to n - 1 in random order.

    Raises
    ------
    ValueError
        An n below 0.
    """
    if n < 0:
        raise ValueError(f"randperm: n must be >= 0, got {n}")
    draws = _numpy(generator).permutation(n).astype(dtype or np.int64, copy=False)
    return _made(draws, device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: str | Device | None = None) -> Tensor:
    """`data` as a tensor, without a copy where that is possible.

    A tensor of the right dtype is returned as it is, and an array shares its memory, as with
    `from_numpy`; all else is copied, as by `tensor`.
    """
    if isinstance(data, np.ndarray) and data.dtype.isnative:
        data = from_numpy(data)
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return tensor(data, dtype, device)
