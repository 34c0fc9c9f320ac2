"""Sliding windows laid out, and added up again."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.functional.conv import pair, window_error
from tinygrad_cv.functional.methods import dim_index, require_float
from tinygrad_cv.gates import windows as gates


def _windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """The windows of `size` elements along a dimension, `step` apart, as a new last dimension.

    A view: elements that lie in several windows appear several times.

    Raises
    ------
    ValueError
        A window longer than the dimension, or a step below 1.
    """
    if not input.array.ndim:
        raise ValueError("unfold: a 0-d tensor has no dimension to take windows of")
    axis = dim_index("unfold", dimension, input.array.ndim)
    if step < 1:
        raise ValueError(f"unfold: step must be at least 1, got {step}")
    if not 0 <= size <= input.shape[axis]:
        raise ValueError(
            f"unfold: size {size} is more than dimension {axis} of shape {input.shape} has"
        )
    return gates.Windows(axis, int(size), int(step))(input)


_windows.__name__ = "unfold"
Tensor.unfold = _windows  # type: ignore[attr-defined]


def _settings(
    where: str, size: tuple[int, int], kernel: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[int, int], Conv2dSettings]:
    kernel = pair(where, "kernel_size", kernel, 1)
    settings = Conv2dSettings(
        pair(where, "stride", stride, 1),
        pair(where, "padding", padding, 0),
        pair(where, "dilation", dilation, 1),
        1,
    )
    window_error(where, size, kernel, settings.stride, settings.padding, settings.dilation)
    return kernel, settings


def unfold(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> Tensor:
    """The windows of images as columns ("im2col").

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float
    kernel_size, dilation, padding, stride
        As in `conv2d`.

    Returns
    -------
    Tensor, shape (N, C * KH * KW, OH * OW)

    Raises
    ------
    ValueError
        A kernel larger than the padded image.
    """
    require_float("unfold", input)
    if input.ndim == 3:
        out = unfold(input.reshape(1, *input.shape), kernel_size, dilation, padding, stride)
        return out.reshape(out.shape[1:])
    if input.ndim != 4:
        raise ValueError(
            f"unfold: input must have shape (N, C, H, W) or (C, H, W), got {input.shape}"
        )
    size = input.shape[2], input.shape[3]
    kernel, settings = _settings("unfold", size, kernel_size, dilation, padding, stride)
    return gates.Unfold(kernel, settings)(input)


def fold(
    input: Tensor,
    output_size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> Tensor:
    """The columns of `unfold` added up to images of `output_size` ("col2im").

    Parameters
    ----------
    input : Tensor, shape (N, C * KH * KW, L) or (C * KH * KW, L), float
    output_size : int or pair
        Rows and columns of the images.

    Returns
    -------
    Tensor, shape (N, C, H, W)

    Raises
    ------
    ValueError
        Channels that are no multiple of the kernel's size, or another number of columns than such
        images have windows.
    """
    require_float("fold", input)
    if input.ndim == 2:
        out = fold(
            input.reshape(1, *input.shape), output_size, kernel_size, dilation, padding, stride
        )
        return out.reshape(out.shape[1:])
    size = pair("fold", "output_size", output_size, 1)
    kernel, settings = _settings("fold", size, kernel_size, dilation, padding, stride)
    taps = kernel[0] * kernel[1]
    if input.ndim != 3 or input.shape[1] % taps:
        raise ValueError(
            f"fold: input must have shape (N, C * {taps}, L) for a kernel of {kernel}, got "
            f"{input.shape}"
        )
    windows = int(np.prod(settings.output_size(size, kernel)))
    if input.shape[2] != windows:
        raise ValueError(
            f"fold: input {input.shape} has {input.shape[2]} columns but images of {size} have "
            f"{windows} windows: (W - F + 2P)/S + 1 = {settings.output_size(size, kernel)}"
        )
    return gates.Fold(kernel, settings, size)(input)
