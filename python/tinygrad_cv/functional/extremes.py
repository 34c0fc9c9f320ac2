"""The largest, smallest and middle elements, where they are, and order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.engine.gate import zero_dim
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.choice import maximum, minimum
from tinygrad_cv.functional.methods import dim_index, tensor_method
from tinygrad_cv.functional.reduction import axes_of
from tinygrad_cv.gates import reduction as gates
from tinygrad_cv.gates.indexing import Take

if TYPE_CHECKING:
    from collections.abc import Sequence


class ValuesIndices(NamedTuple):
    """Elements along a dimension, and where they are."""

    values: Tensor
    indices: Tensor


def _refuse_empty(where: str, input: Tensor, axes: tuple[int, ...] | None) -> None:
    lengths = input.array.shape if axes is None else [input.array.shape[a] for a in axes]
    if 0 in lengths:
        raise IndexError(f"{where}: no elements to choose from in shape {input.shape}")


def _at(input: Tensor, indices: Any, axis: int) -> Tensor:
    """The elements that the indices name along a dimension, which has their length in the result."""
    shape = input.array.shape
    inner = math.prod(shape[axis + 1 :])
    rows = indices.reshape(math.prod(shape[:axis]), indices.shape[axis], inner)
    starts = np.arange(rows.shape[0], like=rows).reshape(-1, 1, 1) * (shape[axis] * inner)
    places = starts + rows * inner + np.arange(inner, like=rows)
    return Take(places.reshape(indices.shape))(input)


def _chosen(input: Tensor, indices: Any, axis: int, keepdim: bool) -> ValuesIndices:
    """One element per row, given its index with the dimension kept as 1."""
    if not input.array.ndim:
        return ValuesIndices(input.clone(), wrap(np.zeros((), np.int64, like=input.array)))
    values = _at(input, indices, axis)
    if not keepdim:
        indices = indices.squeeze(axis)
        values = values.reshape(indices.shape)
    return ValuesIndices(values, wrap(indices))


@tensor_method()
def amax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The largest over `dim`; the gradient is split evenly among equals.

    Raises
    ------
    IndexError
        Nothing to choose from.
    """
    axes = axes_of("amax", dim, input.array.ndim)
    _refuse_empty("amax", input, axes)
    return gates.Amax(axes, keepdim)(input)


@tensor_method()
def amin(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The smallest over `dim`; the gradient is split evenly among equals.

    Raises
    ------
    IndexError
        Nothing to choose from.
    """
    axes = axes_of("amin", dim, input.array.ndim)
    _refuse_empty("amin", input, axes)
    return gates.Amin(axes, keepdim)(input)


def _extreme(where: str, argument: Any, input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    axis = dim_index(where, dim, input.array.ndim)
    if input.array.ndim:
        _refuse_empty(where, input, (axis,))
    return _chosen(input, argument(np.atleast_1d(input.array), axis, keepdims=True), axis, keepdim)


@tensor_method()
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with `dim` an int the largest along it, and where.

    ``max(a, b)`` of two tensors is `maximum`. NaN counts as the largest.

    Returns
    -------
    Tensor, or with `dim` (values, indices); of equals the first

    Raises
    ------
    IndexError
        Nothing to choose from.

    Notes
    -----
    The gradient of the maximum of everything is split evenly among equals; along a dimension it
    goes to the element that `indices` names.
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    if dim is None:
        _refuse_empty("max", input, None)
        return gates.Amax()(input)
    return _extreme("max", np.argmax, input, dim, keepdim)


@tensor_method()
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; with `dim` an int the smallest along it, and where.

    ``min(a, b)`` of two tensors is `minimum`. Otherwise as `max`; NaN counts as the smallest.
    """
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    if dim is None:
        _refuse_empty("min", input, None)
        return gates.Amin()(input)
    return _extreme("min", np.argmin, input, dim, keepdim)


def _where_is(where: str, argument: Any, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    axis = None if dim is None else dim_index(where, dim, input.array.ndim)
    if axis is None or input.array.ndim:
        _refuse_empty(where, input, None if axis is None else (axis,))
    if not input.array.ndim:
        return wrap(np.zeros((), np.int64, like=input.array))
    return wrap(zero_dim(argument(input.array, axis, keepdims=keepdim)))


@tensor_method()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest is: along `dim`, or in the flattened tensor. Of equals the first."""
    return _where_is("argmax", np.argmax, input, dim, keepdim)


@tensor_method()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest is: along `dim`, or in the flattened tensor. Of equals the first."""
    return _where_is("argmin", np.argmin, input, dim, keepdim)


def _order(array: Any, axis: int, descending: bool) -> Any:
    """The indices that sort along a dimension; equals keep their order, NaN counts as largest."""
    if not descending:
        return array.argsort(axis=axis, kind="stable")
    # Sorted from behind, so that equals keep their order when the result is turned round.
    order = np.flip(np.flip(array, axis).argsort(axis=axis, kind="stable"), axis)
    return array.shape[axis] - 1 - order


@tensor_method()
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that sort `input` along `dim`; see `sort`."""
    return sort(input, dim, descending, stable=stable).indices


@tensor_method()
def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    *,
    stable: bool = False,  # noqa: ARG001
) -> ValuesIndices:
    """The elements in order along `dim`, and where they were.

    Parameters
    ----------
    dim : int
    descending : bool
        The largest first.
    stable : bool
        Equals keep their order: here they always do.

    Returns
    -------
    (values, indices) of the shape of `input`; NaN counts as the largest

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> tg.sort(tg.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    axis = dim_index("sort", dim, input.array.ndim)
    if not input.array.ndim:
        return ValuesIndices(input.clone(), wrap(np.zeros((), np.int64, like=input.array)))
    indices = _order(input.array, axis, descending)
    return ValuesIndices(_at(input, indices, axis), wrap(indices))


@tensor_method()
def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: ARG001
) -> ValuesIndices:
    """The `k` largest or smallest elements along `dim`, and where they are.

    Parameters
    ----------
    k : int
    dim : int
    largest : bool
        Otherwise the smallest.
    sorted : bool
        The most extreme first: here it always is. Equals come in the order of the input.

    Raises
    ------
    ValueError
        A `k` outside 0 to the dimension's length.
    """
    axis = dim_index("topk", dim, input.array.ndim)
    length = input.array.shape[axis] if input.array.ndim else 1
    if not 0 <= k <= length:
        raise ValueError(f"topk: k is {k} but dimension {dim} of {input.shape} has {length}")
    if not input.array.ndim:
        return sort(input)
    indices = _order(input.array, axis, largest)
    indices = indices[(slice(None),) * axis + (slice(k),)].copy()
    return ValuesIndices(_at(input, indices, axis), wrap(indices))


@tensor_method()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, of an even number the lower; with `dim` that along it, and where.

    NaN if there is one. The gradient of the median of everything is split evenly among equals.

    Returns
    -------
    Tensor, or with `dim` (values, indices)

    Raises
    ------
    IndexError
        Nothing to choose from along `dim`.
    """
    array = input.array
    if dim is None:
        if not array.size:
            return wrap(np.asarray(np.nan, array.dtype, like=array))
        return gates.Median()(input)
    axis = dim_index("median", dim, array.ndim)
    if array.ndim:
        _refuse_empty("median", input, (axis,))
    array = np.atleast_1d(array)
    middle = [(array.shape[axis] - 1) // 2]
    indices = _order(array, axis, False).take(middle, axis)
    unknown = np.isnan(array)
    if unknown.any():
        first = unknown.argmax(axis, keepdims=True)
        indices = np.where(unknown.any(axis, keepdims=True), first, indices)
    return _chosen(input, indices, axis, keepdim)
