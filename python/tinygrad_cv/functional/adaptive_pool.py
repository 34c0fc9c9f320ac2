"""Pooling to a given size: the windows follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.gates.adaptive_pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d
from tinygrad_cv.gates.pool import AvgPool2d

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
    if input.ndim == dims + 1:
        return _averaged(where, dims, input.unsqueeze(0), output_size).squeeze(0)
    if dims == 1:
        return _averaged_planes(input.unsqueeze(2), (1, *size)).squeeze(2)
    return _averaged_planes(input, size)


def _averaged_planes(input: Tensor, size: tuple[int, ...]) -> Tensor:
    sides = input.shape[2:]
    if 0 not in (*size, *sides) and not any(n % m for n, m in zip(sides, size, strict=True)):
        # Windows of one size, side by side: the kernel of the ordinary pool.
        kernel = sides[0] // size[0], sides[1] // size[1]
        return AvgPool2d(Pool2dSettings(kernel, kernel, (0, 0)))(input)
    return AdaptiveAvgPool2d(size)(input)


def _largest(where: str, dims: int, input: Tensor, output_size: Side, return_indices: bool) -> Any:
    size = _size(where, dims, input, output_size)
    if 0 in input.shape[-dims:]:
        raise ValueError(f"{where}: input {input.shape} has no values to choose from")
    if input.ndim == dims + 1:
        out = _largest(where, dims, input.unsqueeze(0), output_size, return_indices)
        return tuple([x.squeeze(0) for x in out]) if return_indices else out.squeeze(0)
    gate = AdaptiveMaxPool2d((1, *size)[-2:])
    out = gate(input) if dims == 2 else gate(input.unsqueeze(2)).squeeze(2)
    if not return_indices:
        return out
    indices = wrap(gate.places.astype(np.int64))
    return out, indices if dims == 2 else indices.squeeze(2)
