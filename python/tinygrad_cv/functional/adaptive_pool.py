"""Pooling to a given size: the windows follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.gates.indexing import Take
from tinygrad_cv.gates.pool import AvgPool2d
from tinygrad_cv.gates.resample import Resample

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

    Side = int | tuple[int | None, ...] | None


def adaptive_avg_pool2d(input: Tensor, output_size: Side) -> Tensor:
    """The means of as many windows as asked for.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float
    output_size : int or pair
        Rows and columns of the result; None keeps those of the input.

    Returns
    -------
    Tensor, shape (N, C, OH, OW)

    Raises
    ------
    ValueError
        Another number of dimensions, or a negative size.

    Notes
    -----
    Window i goes from floor(i H / OH) to ceil((i + 1) H / OH).
    """
    return _averaged("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool1d(input: Tensor, output_size: Side) -> Tensor:
    """As `adaptive_avg_pool2d`, for rows (N, C, L) or (C, L)."""
    return _averaged("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_max_pool2d(input: Tensor, output_size: Side, return_indices: bool = False) -> Any:
    """The largest values of as many windows as asked for, which lie as in `adaptive_avg_pool2d`.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float
    output_size : int or pair
        Rows and columns of the result; None keeps those of the input.
    return_indices : bool
        Also say where each value was: its place in its image, counted in row order (int64).

    Raises
    ------
    ValueError
        As `adaptive_avg_pool2d`, or an image without pixels.

    Notes
    -----
    The gradient goes to the largest value, the first in row order where several are equal.
    """
    return _largest("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Side, return_indices: bool = False) -> Any:
    """As `adaptive_max_pool2d`, for rows (N, C, L) or (C, L)."""
    return _largest("adaptive_max_pool1d", 1, input, output_size, return_indices)


def windows(length: int, size: int) -> tuple[Any, Any]:
    """Where each of `size` windows over a length begins and ends."""
    index = np.arange(size)
    return index * length // size, -(-(index + 1) * length // size)


def _size(where: str, dims: int, input: Tensor, output_size: Side) -> tuple[int, ...]:
    require_float(where, input)
    if input.ndim not in (dims + 1, dims + 2):
        expected = "(N, C, L) or (C, L)" if dims == 1 else "(N, C, H, W) or (C, H, W)"
        raise ValueError(f"{where}: input must have shape {expected}, got {input.shape}")
    given: Any = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(given) != dims or any(n is not None and n < 0 for n in given):
        raise ValueError(f"{where}: output_size must be {dims} lengths >= 0, got {output_size!r}")
    return tuple(
        [m if n is None else int(n) for n, m in zip(given, input.shape[-dims:], strict=True)]
    )


def _averaged(where: str, dims: int, input: Tensor, output_size: Side) -> Tensor:
    size = _size(where, dims, input, output_size)
    sides = input.shape[-dims:]
    if (
        input.ndim == 4
        and 0 not in size
        and not any(n % m for n, m in zip(sides, size, strict=True))
    ):  # windows of one size, side by side: the kernel of the ordinary pool
        kernel = sides[0] // size[0], sides[1] // size[1]
        if 0 not in kernel:
            return AvgPool2d(Pool2dSettings(kernel, kernel, (0, 0)))(input)
    out = input
    for axis, length, count in zip(range(input.ndim - dims, input.ndim), sides, size, strict=True):
        start, end = windows(length, count)
        taps = []
        for step in range(int((end - start).max(initial=0))):
            outputs = np.flatnonzero(start + step < end)
            taps.append((outputs, start[outputs] + step, 1 / (end - start)[outputs]))
        out = Resample(axis, count, taps)(out)
    return out


def _largest(where: str, dims: int, input: Tensor, output_size: Side, return_indices: bool) -> Any:
    size = _size(where, dims, input, output_size)
    sides = input.shape[-dims:]
    if 0 in sides:
        raise ValueError(f"{where}: input {input.shape} has no values to choose from")
    rows, columns = (1, *sides)[-2:], (1, *size)[-2:]
    images = input.array.reshape(-1, *rows)
    places = np.empty((len(images), *columns), np.int64, like=images)
    bounds = [windows(n, m) for n, m in zip(rows, columns, strict=True)]
    for p, q in np.ndindex(*columns):
        top, bottom = bounds[0][0][p], bounds[0][1][p]
        left, right = bounds[1][0][q], bounds[1][1][q]
        block = images[:, top:bottom, left:right].reshape(len(images), -1)
        best = block.argmax(axis=1)  # NaN counts as the largest
        places[:, p, q] = (top + best // (right - left)) * rows[1] + left + best % (right - left)
    shape = (*input.shape[:-dims], *size)
    offset = np.arange(len(images), like=images).reshape(-1, 1, 1) * (rows[0] * rows[1])
    out = Take((places + offset).reshape(shape))(input)
    return (out, wrap(places.reshape(shape))) if return_indices else out
