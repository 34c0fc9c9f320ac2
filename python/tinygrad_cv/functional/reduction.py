"""Sums, means, extremes over dimensions."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.gates import reduction as gates

if TYPE_CHECKING:
    from collections.abc import Sequence


class ValuesIndices(NamedTuple):
    """The extremes along a dimension, and where they are."""

    values: Tensor
    indices: Tensor


def axes_of(where: str, dim: Any, ndim: int) -> tuple[int, ...] | None:
    """Dimensions >= 0, or None for all.

    Raises IndexError for one that the tensor does not have, ValueError for one named twice.
    """
    if dim is None or dim == ():
        return None
    axes = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -builtins.max(ndim, 1) <= d < builtins.max(ndim, 1):
            raise IndexError(f"{where}: dim {d} but the tensor has {ndim} dimensions")
        axes.append(d % ndim if ndim else 0)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{where}: dim {tuple(dim)} names a dimension twice")
    return tuple(axes) if ndim else None


@tensor_method()
def sum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """Sum over `dim`, or over everything; integers are summed as int64."""
    if dtype is not None:
        input = input.to(dtype)
    elif input.array.dtype.kind != "f":
        input = input.to("int64")
    return gates.Sum(axes_of("sum", dim, input.array.ndim), keepdim)(input)


@tensor_method()
def mean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """Mean over `dim`, or over everything; NaN for nothing.

    Raises
    ------
    TypeError
        Integers: say ``dtype=`` or use ``.float()``.
    """
    if dtype is not None:
        input = input.to(dtype)
    elif input.array.dtype.kind != "f":
        raise TypeError(f"mean: expected floats, got {input.dtype}; use .float() first")
    return gates.Mean(axes_of("mean", dim, input.array.ndim), keepdim)(input)


@tensor_method()
def amax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The largest over `dim`; the gradient is split evenly among equals."""
    axes = axes_of("amax", dim, input.array.ndim)
    _refuse_empty("amax", input, axes)
    return gates.Amax(axes, keepdim)(input)


@tensor_method()
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with `dim` an int, the largest along it and where (the first of equals).

    The gradient of the whole tensor's maximum is split evenly among equals; along a dimension it
    goes to the element that `indices` names.
    """
    if dim is None:
        return amax(input)
    axes = axes_of("max", dim, input.array.ndim)
    _refuse_empty("max", input, axes)
    if axes is None:
        return ValuesIndices(amax(input), wrap(input.array.argmax()[...]))
    (axis,) = axes
    indices = input.array.argmax(axis=axis)
    kept = tuple(
        indices if i == axis else _range_along(i - (i > axis), n, input.array.ndim - 1)
        for i, n in enumerate(input.array.shape)
    )
    values = input[kept]
    if keepdim:
        shape = tuple(1 if i == axis else n for i, n in enumerate(input.array.shape))
        return ValuesIndices(values.reshape(shape), wrap(indices.reshape(shape)))
    return ValuesIndices(values, wrap(indices))


def _range_along(axis: int, length: int, ndim: int) -> Any:
    import numpy as np

    return np.arange(length).reshape([length if i == axis else 1 for i in range(ndim)])


def _refuse_empty(where: str, input: Tensor, axes: tuple[int, ...] | None) -> None:
    lengths = input.array.shape if axes is None else [input.array.shape[a] for a in axes]
    if 0 in lengths:
        raise IndexError(f"{where}: no elements to choose from in shape {input.shape}")
