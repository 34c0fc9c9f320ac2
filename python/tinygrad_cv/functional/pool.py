"""Pooling: argument checks and settings; the gates compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.functional.conv import pair
from tinygrad_cv.gates import pool as gates

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def max_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
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

    Raises
    ------
    ValueError
        A window larger than the padded image, or too much padding.

    Notes
    -----
    The gradient goes to the largest value, the first in row order where several are equal.
    """
    if input.ndim == 3:
        out = max_pool2d(
            input.reshape(1, *input.shape), kernel_size, stride, padding, dilation, ceil_mode
        )
        return out.reshape(out.shape[1:])
    settings = check_pool2d("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    return gates.MaxPool2d(settings)(input)


def avg_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
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
    if input.ndim == 3:
        out = avg_pool2d(
            input.reshape(1, *input.shape),
            kernel_size,
            stride,
            padding,
            ceil_mode,
            count_include_pad,
            divisor_override,
        )
        return out.reshape(out.shape[1:])
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    settings = check_pool2d("avg_pool2d", input, kernel_size, stride, padding, 1, ceil_mode)
    settings = settings._replace(count_include_pad=count_include_pad, divisor=divisor_override)
    return gates.AvgPool2d(settings)(input)


def check_pool2d(
    where: str,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Pool2dSettings:
    """The settings of a pooling, once everything fits."""
    shape = input.shape
    if len(shape) != 4:
        raise ValueError(f"{where}: input must have shape (N, C, H, W) or (C, H, W), got {shape}")
    if input.array.dtype.kind != "f":
        raise TypeError(f"{where}: expected floats, got {input.dtype}; use .float() first")
    kernel = pair(where, "kernel_size", kernel_size, 1)
    settings = Pool2dSettings(
        kernel,
        kernel if stride is None else pair(where, "stride", stride, 1),
        pair(where, "padding", padding, 0),
        pair(where, "dilation", dilation, 1),
        bool(ceil_mode),
    )
    size = settings.output_size(shape[2:])
    for i, side in enumerate(("rows", "columns")):
        if settings.padding[i] > kernel[i] // 2:
            raise ValueError(
                f"{where}: padding {settings.padding[i]} is more than half of the window's "
                f"{kernel[i]} {side}"
            )
        if size[i] < 1:
            spans = settings.dilation[i] * (kernel[i] - 1) + 1
            raise ValueError(
                f"{where}: the window's {spans} {side} are more than the padded input's "
                f"{shape[2 + i]} + 2 * {settings.padding[i]}: ({shape[2 + i]} - {spans} + "
                f"2 * {settings.padding[i]})/{settings.stride[i]} + 1 < 1"
            )
    return settings
