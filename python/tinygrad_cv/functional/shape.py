"""The same values in another shape: views where the memory's layout allows it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.functional.methods import dim_index, ints, tensor_method
from tinygrad_cv.gates import shape as gates
from tinygrad_cv.gates.broadcast import Expand


@tensor_method()
def reshape(input: Tensor, *lengths: Any, shape: Any = None) -> Tensor:
    """The elements in row order, in another shape; one length may be -1.

    ``reshape(2, 3)``, ``reshape((2, 3))`` and ``reshape(shape=(2, 3))`` are the same.

    Raises
    ------
    ValueError
        A shape of another number of elements.
    """
    wanted = ints("reshape", lengths, shape)
    try:
        return gates.Reshape(wanted)(input)
    except ValueError as error:
        raise ValueError(
            f"reshape: {input.numel()} elements of shape {input.shape} do not fit {wanted}"
        ) from error


@tensor_method()
def view(input: Tensor, *lengths: Any, size: Any = None) -> Tensor:
    """The elements in row order, in another shape, without a copy; one length may be -1.

    Raises
    ------
    ValueError
        A shape of another number of elements, or elements that do not lie in memory so: say
        `reshape`, which copies them.
    """
    out = reshape(input, ints("view", lengths, size))
    if not input.array.flags.c_contiguous and not np.may_share_memory(out.array, input.array):
        raise ValueError(
            f"view: shape {input.shape} with strides {input.stride()} cannot be seen as "
            f"{out.shape} without a copy; use reshape"
        )
    return out


@tensor_method()
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """As `view`, in the shape of `other`."""
    return view(input, other.shape)


@tensor_method()
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The elements in row order, in the shape of `other`."""
    return reshape(input, other.shape)


@tensor_method()
def ravel(input: Tensor) -> Tensor:
    """The elements in row order, in one dimension."""
    return gates.Reshape((-1,))(input)


@tensor_method()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim` as one."""
    ndim = input.array.ndim
    if not ndim:
        return reshape(input, 1)
    start, end = (dim_index("flatten", d, ndim) for d in (start_dim, end_dim))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies after end_dim {end_dim}")
    shape = input.shape
    length = math.prod(shape[start : end + 1])
    return gates.Reshape((*shape[:start], length, *shape[end + 1 :]))(input)


@tensor_method()
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Dimension `dim` as several of the lengths `sizes`, one of which may be -1.

    Raises
    ------
    ValueError
        Lengths whose product is not that of the dimension.
    """
    axis = dim_index("unflatten", dim, input.array.ndim)
    shape = input.shape
    sizes = ints("unflatten", (sizes,))
    known = int(np.prod([n for n in sizes if n != -1]))
    wanted = tuple([shape[axis] // max(known, 1) if n == -1 else n for n in sizes])
    if int(np.prod(wanted)) != shape[axis]:
        raise ValueError(f"unflatten: sizes {sizes} do not multiply to {shape[axis]} of {shape}")
    return gates.Reshape((*shape[:axis], *wanted, *shape[axis + 1 :]))(input)


@tensor_method()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of length 1, or without those of `dim` that have length 1: a view."""
    shape = input.shape
    if dim is None:
        axes = set(range(len(shape)))
    else:
        axes = {dim_index("squeeze", d, len(shape)) for d in ints("squeeze", (dim,))}
    return gates.Reshape(tuple([n for i, n in enumerate(shape) if n != 1 or i not in axes]))(input)


@tensor_method()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of length 1 at place `dim`: a view."""
    shape = input.shape
    axis = dim_index("unsqueeze", dim, len(shape) + 1)
    return gates.Reshape((*shape[:axis], 1, *shape[axis:]))(input)


@tensor_method()
def expand(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """The tensor repeated along dimensions of length 1, without a copy; -1 keeps a length.

    Raises
    ------
    ValueError
        A shape that the tensor cannot be broadcast to.
    """
    wanted = ints("expand", sizes, size)
    shape = input.shape
    extra = len(wanted) - len(shape)
    if extra < 0:
        raise ValueError(f"expand: sizes {wanted} are fewer than the dimensions of shape {shape}")
    full = tuple([shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(wanted)])
    if any(n < 0 for n in full) or any(
        a not in (1, b) for a, b in zip(shape, full[extra:], strict=True)
    ):
        raise ValueError(f"expand: shape {shape} cannot be expanded to {wanted}")
    return Expand(full)(input)


@tensor_method()
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor expanded to the shape of `other`."""
    return expand(input, other.shape)


@tensor_method()
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """As `expand`."""
    return expand(input, size)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape.

    Raises
    ------
    ValueError
        Shapes that have none.
    """
    shapes = [x.shape for x in tensors]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(f"broadcast_tensors: shapes {shapes} do not broadcast") from error
    return tuple([expand(x, shape) for x in tensors])


@tensor_method()
def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """Dimensions in another order, ``permute(1, 0)`` or ``permute(dims=(1, 0))``: a view.

    Raises
    ------
    ValueError
        An order that does not name every dimension once.
    """
    order = ints("permute", order, dims)
    ndim = input.array.ndim
    full = tuple([dim_index("permute", d, ndim) for d in order])
    if sorted(full) != list(range(ndim)):
        raise ValueError(f"permute: dims {order} must name each of {ndim} dimensions once")
    return gates.Permute(full)(input)


@tensor_method("swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped: a view."""
    ndim = input.array.ndim
    order = list(range(ndim))
    a, b = dim_index("transpose", dim0, ndim), dim_index("transpose", dim1, ndim)
    if ndim:
        order[a], order[b] = order[b], order[a]
    return gates.Permute(tuple(order))(input)


swapdims = transpose


@tensor_method()
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """As `transpose`."""
    return transpose(input, axis0, axis1)


@tensor_method("moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimension(s) `source` moved to place(s) `destination`, the others in order: a view.

    Raises
    ------
    ValueError
        Not as many places as dimensions, or one that is named twice.
    """
    ndim = input.array.ndim
    sources = [dim_index("movedim", d, ndim) for d in ints("movedim", (source,))]
    places = [dim_index("movedim", d, ndim) for d in ints("movedim", (destination,))]
    if len({*sources}) != len({*places}) or not len(sources) == len(places) == len({*places}):
        raise ValueError(
            f"movedim: source {source} and destination {destination} must name as many dimensions, "
            "each once"
        )
    if not ndim:
        return gates.Permute(())(input)
    order = [d for d in range(ndim) if d not in sources]
    for place, dim in sorted(zip(places, sources, strict=True)):
        order.insert(place, dim)
    return gates.Permute(tuple(order))(input)


moveaxis = movedim


@tensor_method()
def t(input: Tensor) -> Tensor:
    """A matrix with rows and columns swapped: a view."""
    if input.array.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {input.shape}")
    return gates.Permute(tuple(range(input.array.ndim))[::-1])(input)


def _matrix_transpose(input: Tensor) -> Tensor:
    if input.array.ndim < 2:
        raise ValueError(f"mT: expected at least 2 dimensions, got shape {input.shape}")
    return transpose(input, -2, -1)


Tensor.T = property(lambda self: gates.Permute(tuple(range(self.array.ndim))[::-1])(self))  # type: ignore[attr-defined]
Tensor.mT = property(_matrix_transpose)  # type: ignore[attr-defined]


@tensor_method()
def clone(input: Tensor) -> Tensor:
    """A copy; the gradient passes through."""
    return gates.Clone()(input)


@tensor_method()
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in row order in memory, else a copy that does."""
    return input if input.array.flags.c_contiguous else gates.Clone()(input)
