"""Tensors put together, taken apart, repeated, reversed."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import to_host
from tinygrad_cv.engine.promotion import result_type
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.methods import dim_index, ints, tensor_method
from tinygrad_cv.functional.shape import broadcast_tensors, reshape, unsqueeze
from tinygrad_cv.gates import shape as gates
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.indexing import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEW = 8  # pieces that are cut out one by one


def _tensors(where: str, tensors: Any) -> list[Tensor]:
    """The tensors of a sequence, with their common dtype."""
    given = list(tensors)
    if not given:
        raise ValueError(f"{where}: expected at least one tensor")
    for position, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise TypeError(f"{where}: expected tensors, got {type(x).__name__} at {position}")
    dtype = result_type(*given)
    return [x.to(dtype) for x in given]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along `dim`.

    Parameters
    ----------
    tensors : sequence of Tensor
        Shapes equal but for `dim`; empty tensors of shape (0,) are left out. The result has their
        common dtype.

    Raises
    ------
    ValueError
        No tensors, or shapes that do not fit.
    """
    given = _tensors("cat", tensors)
    fitting = [x for x in given if x.shape != (0,)] or given
    first = fitting[0].shape
    if not first:
        raise ValueError("cat: 0-d tensors cannot be concatenated; use stack")
    axis = dim_index("cat", dim, len(first))
    for position, x in enumerate(given):
        if x.shape != (0,) and (
            len(x.shape) != len(first)
            or any(i != axis and n != first[i] for i, n in enumerate(x.shape))
        ):
            raise ValueError(
                f"cat: tensor {position} has shape {x.shape} but the first {first}: they may "
                f"differ in dimension {axis} alone"
            )
    return gates.Concat(axis)(*fitting)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new dimension at place `dim`.

    Raises
    ------
    ValueError
        No tensors, or shapes that differ.
    """
    given = _tensors("stack", tensors)
    first = given[0].shape
    for position, x in enumerate(given):
        if x.shape != first:
            raise ValueError(f"stack: tensor {position} has shape {x.shape} but the first {first}")
    axis = dim_index("stack", dim, len(first) + 1)
    return gates.Concat(axis)(*[unsqueeze(x, axis) for x in given])


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side: along dimension 1, and vectors along their only one."""
    given = [x if x.ndim else x.reshape(1) for x in _tensors("hstack", tensors)]
    return cat(given, 0 if given[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors one below the other: along dimension 0; vectors are rows."""
    return cat([x if x.ndim > 1 else x.reshape(1, -1) for x in _tensors("vstack", tensors)])


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of pieces along `dim`: all of one length (the last may be shorter), or of given lengths.

    Raises
    ------
    ValueError
        A length of 0 for a dimension that is not, or lengths that do not add up.
    """
    if not tensor.array.ndim:
        raise ValueError("split: a 0-d tensor cannot be split")
    axis = dim_index("split", dim, tensor.array.ndim)
    length = tensor.shape[axis]
    if isinstance(split_size_or_sections, (int, np.integer)):
        size = int(split_size_or_sections)
        if size < 0 or (size == 0 and length):
            raise ValueError(f"split: split_size must be positive, got {size}")
        starts = range(0, length, size) if length else range(1)
        lengths = [min(size, length - start) for start in starts]
    else:
        lengths = list(ints("split", (split_size_or_sections,)))
        if sum(lengths) != length or min(lengths, default=0) < 0:
            raise ValueError(
                f"split: lengths {lengths} do not add up to {length}, dimension {axis} of "
                f"{tensor.shape}"
            )
    return tuple(_pieces(tensor, axis, [0, *accumulate(lengths)], narrow))


def _split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    return split(self, split_size, dim)


_split.__doc__ = split.__doc__
Tensor.split = _split  # type: ignore[attr-defined]  # the method calls its argument split_size


@tensor_method()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` pieces along `dim`, equally long but for the last.

    Raises
    ------
    ValueError
        Fewer than one chunk.
    """
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be at least 1, got {chunks}")
    if not input.array.ndim:
        raise ValueError("chunk: a 0-d tensor cannot be split")
    axis = dim_index("chunk", dim, input.array.ndim)
    length = input.shape[axis]
    if not length:
        return split(input, [0] * chunks, axis)
    return split(input, -(-length // chunks), axis)


@tensor_method()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the slices along `dim`, without that dimension."""
    if not input.array.ndim:
        raise ValueError("unbind: a 0-d tensor has no dimension to take apart")
    axis = dim_index("unbind", dim, input.array.ndim)
    bounds = range(input.shape[axis] + 1)
    return tuple(_pieces(input, axis, bounds, lambda x, dim, start, _: select(x, dim, start)))


def _pieces(input: Tensor, axis: int, bounds: Sequence[int], cut: Any) -> list[Tensor]:
    """``cut(input, axis, start, length)`` from each bound to the next.

    Many are cut out of halves, quarters and so on: the gradient of a piece is as large as what it
    is cut from, and that of a thousand would be a thousand times the whole.
    """
    count = len(bounds) - 1
    if count <= _FEW or not input.requires_grad:
        pairs = pairwise(bounds)
        return [cut(input, axis, start - bounds[0], end - start) for start, end in pairs]
    found = []
    for part in (bounds[: count // 2 + 1], bounds[count // 2 :]):
        half = narrow(input, axis, part[0] - bounds[0], part[-1] - part[0])
        found += _pieces(half, axis, part, cut)
    return found


@tensor_method()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at `index` along `dim`, without that dimension: a view.

    Raises
    ------
    IndexError
        An index outside the dimension.
    """
    axis = dim_index("select", dim, input.array.ndim)
    if not input.array.ndim or not -input.shape[axis] <= index < input.shape[axis]:
        raise IndexError(f"select: index {index} is outside dimension {dim} of shape {input.shape}")
    return Index((slice(None),) * axis + (int(index),))(input)


@tensor_method()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices from `start` on along `dim`: a view.

    Raises
    ------
    ValueError
        Slices that the tensor does not have.
    """
    if not input.array.ndim:
        raise ValueError("narrow: a 0-d tensor has no dimension to narrow")
    axis = dim_index("narrow", dim, input.array.ndim)
    size = input.shape[axis]
    first = int(start) + (size if int(start) < 0 else 0)
    if length < 0 or first < 0 or first + length > size:
        raise ValueError(
            f"narrow: start {int(start)} and length {length} leave dimension {axis} of shape "
            f"{input.shape}"
        )
    key = (slice(None),) * axis + (slice(first, first + length),)
    return Index(key)(input)


@tensor_method()
def repeat(input: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """The tensor repeated along each dimension as often as `sizes` says, new ones in front.

    Raises
    ------
    ValueError
        Fewer sizes than dimensions, or a negative one.
    """
    times = ints("repeat", sizes, repeats)
    shape = input.shape
    if len(times) < len(shape) or min(times, default=0) < 0:
        raise ValueError(
            f"repeat: sizes {times} must be >= 0, one for each dimension of {shape} at least"
        )
    full = (1,) * (len(times) - len(shape)) + shape
    apart = reshape(input, [n for length in full for n in (1, length)])
    spread = Expand(tuple([n for pair in zip(times, full, strict=True) for n in pair]))(apart)
    return reshape(spread, [a * b for a, b in zip(times, full, strict=True)])


@tensor_method()
def tile(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """As `repeat`, but ones are put before sizes that are fewer than the dimensions."""
    times = ints("tile", sizes, dims)
    return repeat(input, (1,) * (input.array.ndim - len(times)) + times)


@tensor_method()
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each slice along `dim` (each element without it) `repeats` times, one after the other.

    Raises
    ------
    ValueError
        Repeats that are not one number, nor one for each slice.
    """
    if dim is None:
        input, dim = reshape(input, -1), 0
    axis = dim_index("repeat_interleave", dim, input.array.ndim)
    counts = np.asarray(to_host(repeats.array if isinstance(repeats, Tensor) else repeats))
    if counts.dtype.kind not in "iu":
        raise TypeError(f"repeat_interleave: repeats must be ints, got {counts.dtype}")
    if counts.size not in (1, input.shape[axis]) or (counts < 0).any():
        raise ValueError(
            f"repeat_interleave: repeats must be >= 0, one or {input.shape[axis]} of them, got "
            f"{counts.tolist()}"
        )
    index = np.repeat(np.arange(input.shape[axis]), counts.reshape(-1))
    return Index((slice(None),) * axis + (index,))(input)


@tensor_method()
def flip(input: Tensor, *axes: Any, dims: Any = None) -> Tensor:
    """A copy with the order reversed along `dims`: ``flip(0, 1)``, ``flip((0, 1))``.

    Raises
    ------
    ValueError
        A dimension named twice.
    """
    named = tuple([dim_index("flip", d, input.array.ndim) for d in ints("flip", axes, dims)])
    if len({*named}) != len(named):
        raise ValueError(f"flip: dims {named} name a dimension twice")
    return gates.Flip(named if input.array.ndim else ())(input)


@tensor_method()
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """The elements moved `shifts` places on along `dims`, those at the end to the front.

    Without `dims` the tensor counts as one row.

    Raises
    ------
    ValueError
        Not as many shifts as dims.
    """
    steps = ints("roll", (shifts,))
    if dims is None or dims == ():
        if len(steps) != 1:
            raise ValueError(f"roll: without dims there is one shift, got {steps}")
        return reshape(gates.Roll(steps, (0,))(reshape(input, -1)), input.shape)
    axes = tuple([dim_index("roll", d, input.array.ndim) for d in ints("roll", (dims,))])
    if len(axes) != len(steps):
        raise ValueError(f"roll: {len(steps)} shifts but {len(axes)} dims")
    return gates.Roll(steps, axes)(input)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: result i holds tensor i's numbers, spread over all the others.

    Parameters
    ----------
    tensors : Tensors of shape (n,) or (), or one sequence of them
    indexing : {"ij", "xy"}
        "xy" swaps the first two dimensions, as in plots.

    Raises
    ------
    ValueError
        Tensors of more dimensions, or another indexing.
    """
    given = tensors if len(tensors) != 1 or isinstance(tensors[0], Tensor) else tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    if any(x.ndim > 1 for x in given):
        raise ValueError(f"meshgrid: expected shapes (n,), got {[x.shape for x in given]}")
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = [1, 0]
    shaped = [
        reshape(x, [-1 if order[i] == j else 1 for j in range(len(given))])
        for i, x in enumerate(given)
    ]
    return broadcast_tensors(*shaped)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A 1 at the place that each label names, 0 elsewhere: int64, one dimension more.

    Parameters
    ----------
    tensor : Tensor of ints >= 0
    num_classes : int
        Default: the largest label plus 1.

    Raises
    ------
    IndexError
        A label outside [0, num_classes).
    ValueError
        No labels and no num_classes.
    """
    labels = tensor.array
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels must be ints, got {labels.dtype}")
    if num_classes == -1:
        if not labels.size:
            raise ValueError("one_hot: without labels num_classes must be given")
        num_classes = int(labels.max()) + 1
    bad = (labels < 0) | (labels >= num_classes)
    if bad.any():
        raise IndexError(
            f"one_hot: label {int(labels[bad][0])} is outside classes 0 to {num_classes - 1}"
        )
    return wrap((labels[..., None] == np.arange(num_classes, like=labels)).astype(np.int64))
