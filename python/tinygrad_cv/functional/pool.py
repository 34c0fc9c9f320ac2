"""Pooling: argument checks and settings; the gates compute."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.bounds import nan_where, within
from tinygrad_cv.functional.conv import numbers
from tinygrad_cv.functional.methods import ints
from tinygrad_cv.gates import pool as gates
from tinygrad_cv.gates.indexing import Put

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

    Side = int | tuple[int, ...]

_SHAPES = {1: "(N, C, L) or (C, L)", 2: "(N, C, H, W) or (C, H, W)"}
_SIDES = {1: ("values",), 2: ("rows", "columns")}


def max_pool2d(
    input: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    dilation: Side = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float32 or float64
    kernel_size : int or pair
        Rows and columns of the window.
    stride : int or pair, optional
        Step of the window; default `kernel_size`.
    padding : int or pair
        Minus infinities around the image; at most half the window.
    dilation : int or pair
        Distance between the window's pixels.
    ceil_mode : bool
        Also take windows that hang over the edge.
    return_indices : bool
        Also say where each value was: its place in its image, counted in row order (int64), as
        `max_unpool2d` takes it.

    Returns
    -------
    Tensor, shape (N, C, OH, OW), OH = (H - dilation (KH - 1) - 1 + 2 padding) // stride + 1; with
    `return_indices` two of them

    Raises
    ------
    ValueError
        A window larger than the padded image, or too much padding.

    Notes
    -----
    The gradient goes to the largest value, the first in row order where several are equal.
    """
    return _max_pool(
        "max_pool2d",
        2,
        input,
        (kernel_size, stride, padding, dilation, ceil_mode),
        return_indices,
    )


def max_pool1d(
    input: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    dilation: Side = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of a row.

    Parameters
    ----------
    input : Tensor, shape (N, C, L) or (C, L), float32 or float64
    kernel_size, stride, padding, dilation, ceil_mode, return_indices
        As `max_pool2d`.

    Raises
    ------
    ValueError
        As `max_pool2d`.
    """
    return _max_pool(
        "max_pool1d",
        1,
        input,
        (kernel_size, stride, padding, dilation, ceil_mode),
        return_indices,
    )


def _max_pool(
    where: str, dims: int, input: Tensor, options: tuple[Any, ...], return_indices: bool
) -> Any:
    if input.ndim == dims + 1:
        out = _max_pool(where, dims, input.unsqueeze(0), options, return_indices)
        return tuple([x.squeeze(0) for x in out]) if return_indices else out.squeeze(0)
    gate = gates.MaxPool2d(check_pool(where, dims, input, *options))
    out = gate(input) if dims == 2 else gate(input.unsqueeze(2)).squeeze(2)
    if not return_indices:
        return out
    indices = wrap(gate.places())
    return out, indices if dims == 2 else indices.squeeze(2)


def avg_pool2d(
    input: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float32 or float64
    kernel_size, stride, padding, ceil_mode
        As `max_pool2d`; padding is zeros.
    count_include_pad : bool
        Whether padding counts among the values that the mean divides by.
    divisor_override : int, optional
        Divide by this instead.

    Raises
    ------
    ValueError
        As `max_pool2d`, or a divisor of 0.
    """
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    options = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool2d", 2, input, options, count_include_pad, divisor_override)


def avg_pool1d(
    input: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of a row.

    Parameters
    ----------
    input : Tensor, shape (N, C, L) or (C, L), float32 or float64
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As `avg_pool2d`.

    Raises
    ------
    ValueError
        As `avg_pool2d`.
    """
    options = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool("avg_pool1d", 1, input, options, count_include_pad, None)


def _avg_pool(
    where: str,
    dims: int,
    input: Tensor,
    options: tuple[Any, ...],
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    if input.ndim == dims + 1:
        batch = input.unsqueeze(0)
        return _avg_pool(where, dims, batch, options, count_include_pad, divisor).squeeze(0)
    settings = check_pool(where, dims, input, *options)
    gate = gates.AvgPool2d(settings._replace(count_include_pad=count_include_pad, divisor=divisor))
    out: Tensor = gate(input) if dims == 2 else gate(input.unsqueeze(2)).squeeze(2)
    return out


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Side,
    stride: Side | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ x^p)^(1/p) over each window: the L2-norm pooling of the classical texts for p = 2.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float32 or float64
    norm_type : float
        p, not 0; 1 gives sums, large ones nearly the largest value.
    kernel_size, stride, ceil_mode
        As `max_pool2d`.

    Raises
    ------
    ValueError
        As `max_pool2d`, or p = 0.

    Notes
    -----
    Where the sum is 0 the gradient is 0.
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, (kernel_size, stride, 0, 1, ceil_mode))


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Side,
    stride: Side | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ x^p)^(1/p) over each window of a row; arguments as `lp_pool2d`."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, (kernel_size, stride, 0, 1, ceil_mode))


def _lp_pool(where: str, dims: int, input: Tensor, p: float, options: tuple[Any, ...]) -> Tensor:
    if not p:
        raise ValueError(f"{where}: norm_type must not be 0")
    if input.ndim == dims + 1:
        return _lp_pool(where, dims, input.unsqueeze(0), p, options).squeeze(0)
    gate = gates.LpPool2d(p, check_pool(where, dims, input, *options))
    out: Tensor = gate(input) if dims == 2 else gate(input.unsqueeze(2)).squeeze(2)
    return out


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    output_size: Any = None,
) -> Tensor:
    """Each value back at its place, zeros elsewhere: undoes what `max_pool2d` can be undone of.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float
    indices : Tensor, shape of input, int64
        As `max_pool2d` gives them with ``return_indices=True``.
    kernel_size, stride, padding
        As they were given to `max_pool2d`.
    output_size : ints, optional
        Shape, or rows and columns, of the result, where the settings allow several.

    Returns
    -------
    Tensor, shape (N, C, OH, OW), OH = (H - 1) stride - 2 padding + kernel_size or `output_size`

    Raises
    ------
    ValueError
        Shapes that do not fit.
    IndexError
        An index outside the result.

    Notes
    -----
    Where an index is named twice the last value stays, and the gradient goes to it.
    """
    where = "max_unpool2d"
    if input.ndim == 3:
        batch = input.unsqueeze(0), indices.unsqueeze(0)
        return max_unpool2d(*batch, kernel_size, stride, padding, output_size).squeeze(0)
    if input.ndim != 4 or indices.shape != input.shape:
        raise ValueError(
            f"{where}: input {input.shape} and indices {indices.shape} must both have shape "
            "(N, C, H, W) or (C, H, W)"
        )
    kernel = numbers(where, "kernel_size", kernel_size, 1, 2)
    steps = kernel if stride is None else numbers(where, "stride", stride, 1, 2)
    cut = numbers(where, "padding", padding, 0, 2)
    size = tuple(
        [
            (n - 1) * s - 2 * p + k
            for n, s, p, k in zip(input.shape[2:], steps, cut, kernel, strict=True)
        ]
    )
    if output_size is not None:
        wanted = ints(where, (output_size,))[-2:]
        if len(wanted) != 2 or any(
            abs(a - b) >= s for a, b, s in zip(wanted, size, steps, strict=True)
        ):
            raise ValueError(
                f"{where}: output_size {wanted} must be within {steps} of {size}, the size that "
                "the settings give"
            )
        size = wanted
    if indices.dtype != np.int64:
        raise TypeError(f"{where}: indices must be int64, got {indices.dtype}")
    area = size[0] * size[1]
    places, outside = within(
        indices.array, 0, area, input.dtype,
        lambda i: f"{where}: index {i} is outside the result's {size}",
    )  # fmt: skip
    images = np.arange(input.shape[0] * input.shape[1], like=input.array)
    images = images.reshape(*input.shape[:2], 1, 1)
    zeros = wrap(np.zeros(images.size * area, input.dtype, like=input.array))
    flat = Put(images * area + places, in_place=True)(zeros, nan_where(outside, input))
    return flat.reshape(*input.shape[:2], *size)


def check_pool(
    where: str,
    dims: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Pool2dSettings:
    """The settings of a pooling, once everything fits; those of a row are those of one image row."""
    shape = input.shape
    if len(shape) != dims + 2:
        raise ValueError(f"{where}: input must have shape {_SHAPES[dims]}, got {shape}")
    if input.array.dtype.kind != "f":
        raise TypeError(f"{where}: expected floats, got {input.dtype}; use .float() first")
    return pool_settings(where, dims, shape[2:], kernel_size, stride, padding, dilation, ceil_mode)


def pool_settings(
    where: str,
    dims: int,
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Pool2dSettings:
    """As `check_pool`, for images of this shape."""
    kernel = numbers(where, "kernel_size", kernel_size, 1, dims)
    step = kernel if stride is None else numbers(where, "stride", stride, 1, dims)
    frame = numbers(where, "padding", padding, 0, dims)
    apart = numbers(where, "dilation", dilation, 1, dims)
    return _fit(where, dims, shape, kernel, step, frame, apart, bool(ceil_mode))


@lru_cache(maxsize=1024)  # a network's layers ask the same in every step
def _fit(
    where: str,
    dims: int,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    step: tuple[int, ...],
    frame: tuple[int, ...],
    apart: tuple[int, ...],
    ceil_mode: bool,
) -> Pool2dSettings:
    settings = Pool2dSettings(
        _two(kernel, 1), _two(step, 1), _two(frame, 0), _two(apart, 1), ceil_mode
    )
    size = settings.output_size(_two(shape, 1))[-dims:]
    for i, side in enumerate(_SIDES[dims]):
        if frame[i] > kernel[i] // 2:
            raise ValueError(
                f"{where}: padding {frame[i]} is more than half of the window's {kernel[i]} {side}"
            )
        if size[i] < 1:
            spans = apart[i] * (kernel[i] - 1) + 1
            raise ValueError(
                f"{where}: the window's {spans} {side} are more than the padded input's "
                f"{shape[i]} + 2 * {frame[i]}: ({shape[i]} - {spans} + "
                f"2 * {frame[i]})/{step[i]} + 1 < 1"
            )
    return settings


def _two(values: tuple[int, ...], missing: int) -> tuple[int, int]:
    rows, columns = values if len(values) == 2 else (missing, *values)
    return rows, columns
