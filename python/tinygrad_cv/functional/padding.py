"""Frames around tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.functional.joining import cat, flip, narrow
from tinygrad_cv.functional.methods import ints
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.indexing import Index
from tinygrad_cv.gates.shape import ConstantPad

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    """A frame around the last dimensions.

    Parameters
    ----------
    input : Tensor
    pad : ints
        (before, after) of the last dimension, then of the one before it, and so on. Negative numbers
        cut elements off.
    mode : {"constant", "reflect", "replicate", "circular"}
        What the frame holds: `value`; the elements mirrored, without the edge; the edge's element;
        the elements from the other end.
    value : number, optional
        For "constant"; default 0.

    Raises
    ------
    ValueError
        An odd number of ints, more than there are dimensions, more than the tensor can be cut, or
        mirrored elements that it does not have.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> tg.functional.pad(tg.tensor([1, 2, 3]), (2, 1), mode="reflect").tolist()
    [3, 2, 1, 2, 3, 2]
    """
    given = ints("pad", (pad,))
    ndim = input.array.ndim
    if len(given) % 2 or len(given) > 2 * ndim:
        raise ValueError(
            f"pad: pad must hold pairs (before, after), at most {ndim} for shape {input.shape}, "
            f"got {given}"
        )
    widths = [(0, 0)] * ndim
    for i in range(len(given) // 2):
        widths[ndim - 1 - i] = given[2 * i], given[2 * i + 1]
    for n, (before, after) in zip(input.shape, widths, strict=True):
        if min(before, 0) + min(after, 0) + n < 0:
            raise ValueError(f"pad: {given} cuts more than shape {input.shape} has")
    if mode == "constant":
        return _constant(input, widths, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(
            f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
        )
    if value is not None:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value!r}")
    for dim, (before, after) in enumerate(widths):
        if before or after:
            input = _from_itself(input, dim, before, after, mode)
    return input


def _constant(input: Tensor, widths: list[tuple[int, int]], value: Any) -> Tensor:
    if any(n < 0 for pair in widths for n in pair):
        key = tuple(
            [
                slice(max(-before, 0), n - max(-after, 0))
                for n, (before, after) in zip(input.shape, widths, strict=True)
            ]
        )
        input = Index(key)(input)
        widths = [(max(before, 0), max(after, 0)) for before, after in widths]
    return ConstantPad(tuple(widths), value)(input)


def _from_itself(input: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """One dimension padded with the tensor's own elements."""
    length = input.shape[dim]
    most = length - 1 if mode == "reflect" else length
    if mode == "replicate":
        most = max(before, after) if length else 0
    if max(before, after) > most:
        raise ValueError(
            f"pad: mode {mode!r} can add at most {most} to dimension {dim} of shape {input.shape}, "
            f"got {(before, after)}"
        )
    inner = narrow(input, dim, max(-before, 0), length + min(before, 0) + min(after, 0))
    return cat(
        [
            *([_edge(input, dim, before, mode, True)] if before > 0 else []),
            inner,
            *([_edge(input, dim, after, mode, False)] if after > 0 else []),
        ],
        dim,
    )


def _edge(input: Tensor, dim: int, width: int, mode: str, front: bool) -> Tensor:
    """What stands before (`front`) or after the elements."""
    length = input.shape[dim]
    if mode == "reflect":
        return flip(narrow(input, dim, 1 if front else length - 1 - width, width), dim)
    if mode == "circular":
        return narrow(input, dim, length - width if front else 0, width)
    element = narrow(input, dim, 0 if front else length - 1, 1)
    shape = element.shape
    return Expand((*shape[:dim], width, *shape[dim + 1 :]))(element)
