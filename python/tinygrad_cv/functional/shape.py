"""Functions that move values without changing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.gates import shape as gates


def _ints(args: tuple[Any, ...]) -> tuple[int, ...]:
    """The numbers of ``f(2, 3)`` and ``f((2, 3))`` alike."""
    if len(args) == 1 and not isinstance(args[0], (int, np.integer)):
        args = tuple(args[0])
    return tuple(int(n) for n in args)


@tensor_method("view")
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The elements in row order, in another shape; one length may be -1.

    Raises
    ------
    ValueError
        A shape of another number of elements.
    """
    wanted = _ints(shape)
    try:
        return gates.Reshape(wanted)(input)
    except ValueError as error:
        raise ValueError(
            f"reshape: {input.numel()} elements of shape {input.shape} do not fit {wanted}"
        ) from error


@tensor_method()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim` as one."""
    ndim = input.array.ndim
    if not ndim:
        return reshape(input, 1)
    start, end = (_dim("flatten", d, ndim) for d in (start_dim, end_dim))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies after end_dim {end_dim}")
    shape = input.shape
    length = int(np.prod(shape[start : end + 1]))
    return gates.Reshape((*shape[:start], length, *shape[end + 1 :]))(input)


def _dim(where: str, dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError(f"{where}: dim {dim} but the tensor has {ndim} dimensions")
    return dim % ndim


@tensor_method()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimensions in another order: a view.

    Raises
    ------
    ValueError
        An order that does not name every dimension once.
    """
    order = _ints(dims)
    ndim = input.array.ndim
    full = tuple(_dim("permute", d, ndim) for d in order)
    if sorted(full) != list(range(ndim)):
        raise ValueError(f"permute: dims {order} must name each of {ndim} dimensions once")
    return gates.Permute(full)(input)


@tensor_method()
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped: a view."""
    ndim = input.array.ndim
    order = list(range(ndim))
    a, b = _dim("transpose", dim0, ndim), _dim("transpose", dim1, ndim)
    order[a], order[b] = order[b], order[a]
    return gates.Permute(tuple(order))(input)


@tensor_method()
def t(input: Tensor) -> Tensor:
    """A matrix with rows and columns swapped: a view."""
    if input.array.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {input.shape}")
    return gates.Permute(tuple(range(input.array.ndim))[::-1])(input)


def index(input: Tensor, key: Any) -> Tensor:
    """input[key]: slices, ints, None and Ellipsis give views; arrays and masks copy.

    The gradient of an element that is named several times is the sum.

    Raises
    ------
    IndexError
        An index outside the tensor.
    """
    return gates.Index(_plain_key(key))(input)


Tensor.__getitem__ = index  # type: ignore[method-assign]


def _plain_key(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple([_plain_key(k) for k in key])
    if isinstance(key, Tensor):
        return key.array
    if isinstance(key, list):
        return np.asarray(
            [k.array if isinstance(k, Tensor) else k for k in key] or np.empty(0, int)
        )
    return key


Tensor.T = property(  # type: ignore[attr-defined]
    lambda self: gates.Permute(tuple(range(self.array.ndim))[::-1])(self)
)
Tensor.mT = property(lambda self: transpose(self, -2, -1))  # type: ignore[attr-defined]


@tensor_method()
def clone(input: Tensor) -> Tensor:
    """A copy; the gradient passes through."""
    return gates.Clone()(input)


@tensor_method()
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in row order in memory, else a copy that does."""
    return input if input.array.flags.c_contiguous else gates.Clone()(input)
