"""Transposed convolution: argument checks and settings; the gates compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.functional.conv import check_dtypes, numbers
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.functional.padding import pad
from tinygrad_cv.gates.conv import Conv2dInputGrad

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


@tensor_method()
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    output_padding: int | tuple[int, int] = 0,
    groups: int = 1,
    dilation: int | tuple[int, int] = 1,
) -> Tensor:
    """Transposed 2-D convolution: the gradient of `conv2d` with respect to its input.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float32 or float64
    weight : Tensor, shape (C, O / groups, KH, KW), dtype of input
    bias : Tensor, shape (O,), optional
    stride : int or pair
        How far apart the pixels' kernels are laid down.
    padding : int or pair
        Rows and columns cut off at each end.
    output_padding : int or pair
        Rows and columns more at the end; less than stride or dilation. With a stride several sizes
        lead to one size in `conv2d`: this chooses among them.
    groups : int
    dilation : int or pair

    Returns
    -------
    Tensor, shape (N, O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1)
    + output_padding + 1

    Raises
    ------
    ValueError
        Shapes that do not fit, or nothing left of the image.
    TypeError
        dtypes that differ or are no floats.

    References
    ----------
    Dumoulin & Visin 2016, relationship 14.
    """
    return _transposed(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@tensor_method()
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] = 0,
    output_padding: int | tuple[int] = 0,
    groups: int = 1,
    dilation: int | tuple[int] = 1,
) -> Tensor:
    """Transposed 1-D convolution: the gradient of `conv1d` with respect to its input.

    Parameters
    ----------
    input : Tensor, shape (N, C, L) or (C, L), float32 or float64
    weight : Tensor, shape (C, O / groups, K), dtype of input
    bias, stride, padding, output_padding, groups, dilation
        As `conv_transpose2d`.

    Returns
    -------
    Tensor, shape (N, O, OL), OL = (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1

    Raises
    ------
    ValueError, TypeError
        As `conv_transpose2d`.
    """
    return _transposed(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def _transposed(
    where: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Tensor:
    if input.ndim == dims + 1:
        batch = input.reshape(1, *input.shape)
        out = _transposed(
            where, dims, batch, weight, bias, stride, padding, output_padding, groups, dilation
        )
        return out.reshape(out.shape[1:])
    _check_operands(where, dims, input, weight, bias, groups)
    stride = numbers(where, "stride", stride, 1, dims)
    padding = numbers(where, "padding", padding, 0, dims)
    dilation = numbers(where, "dilation", dilation, 1, dims)
    more = numbers(where, "output_padding", output_padding, 0, dims)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(
            f"{where}: output_padding {more} must be less than stride {stride} or dilation {dilation}"
        )
    size = [
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, k, s, p, d, m in zip(
            input.shape[2:], weight.shape[2:], stride, padding, dilation, more, strict=True
        )
    ]
    if min(size) < 1:
        raise ValueError(
            f"{where}: input {input.shape} and weight {weight.shape} give size {tuple(size)}: "
            f"(W - 1) * {stride} - 2 * {padding} + {dilation} * (F - 1) + {more} + 1"
        )
    out = _laid_down(input, weight, stride, padding, dilation, more, int(groups), size)
    return out if bias is None else out + bias.reshape(-1, *[1] * dims)


def _laid_down(
    input: Tensor,
    weight: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    more: Any,
    groups: int,
    size: Any,
) -> Tensor:
    dims = len(stride)
    if any(m >= s for m, s in zip(more, stride, strict=True)):
        # A convolution of an image of this size would have more rows than the input: make the
        # image without padding, then cut and add.
        none = (0,) * dims
        whole = [n + 2 * p - m for n, p, m in zip(size, padding, more, strict=True)]
        out = _laid_down(input, weight, stride, none, dilation, none, groups, whole)
        frame = [n for p, m in zip(padding[::-1], more[::-1], strict=True) for n in (-p, m - p)]
        return pad(out, frame)
    if dims == 1:
        settings = Conv2dSettings((1, *stride), (0, *padding), (1, *dilation), groups)
        gate = Conv2dInputGrad(settings, (1, *size))
        return gate(input.unsqueeze(2), weight.unsqueeze(2)).squeeze(2)
    gate = Conv2dInputGrad(Conv2dSettings(stride, padding, dilation, groups), tuple(size))
    return gate(input, weight)


def _check_operands(
    where: str, dims: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: Any
) -> None:
    x, w = input.shape, weight.shape
    sides = "L" if dims == 1 else "H, W"
    if len(x) != dims + 2:
        raise ValueError(f"{where}: input must have shape (N, C, {sides}) or (C, {sides}), got {x}")
    if len(w) != dims + 2 or 0 in w[2:]:
        kernel = "K" if dims == 1 else "KH, KW"
        raise ValueError(f"{where}: weight must have shape (C, O / groups, {kernel}), got {w}")
    if not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"{where}: groups must be an int of at least 1, got {groups!r}")
    if x[1] != w[0]:
        raise ValueError(f"{where}: input has {x[1]} channels but weight {w} expects {w[0]}")
    if w[0] % groups:
        raise ValueError(f"{where}: {w[0]} input channels are not a multiple of groups={groups}")
    if bias is not None and bias.shape != (w[1] * groups,):
        raise ValueError(
            f"{where}: bias has shape {bias.shape} but weight {w} expects ({w[1] * groups},) "
            f"(groups={groups})"
        )
    check_dtypes(where, input, weight, bias)
