"""Convolution: argument checks and settings; the gates compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.gates.conv import Conv2d

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def pair(where: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """An int or two as a pair (rows, columns), each at least `least`."""
    given = (value, value) if isinstance(value, (int, np.integer)) else value
    if (
        isinstance(given, str)
        or not hasattr(given, "__len__")
        or len(given) not in (1, 2)
        or not all(isinstance(n, (int, np.integer)) for n in given)
    ):
        raise TypeError(f"{where}: {name} must be an int or a pair of ints, got {value!r}")
    rows, columns = int(given[0]), int(given[-1])
    if rows < least or columns < least:
        raise ValueError(f"{where}: {name} must be at least {least}, got {value!r}")
    return rows, columns


def conv_output_size(W: int, F: int, S: int = 1, P: int = 0, dilation: int = 1) -> int:
    """How many positions a kernel has along a side: (W - F + 2P)/S + 1, rounded down.

    Parameters
    ----------
    W : int
        Length of the input's side.
    F : int
        Length of the kernel's side (its receptive field); with `dilation` d it spans d (F - 1) + 1.
    S : int
        Stride.
    P : int
        Zeros added at each end.

    Examples
    --------
    >>> conv_output_size(227, 11, 4)
    55
    """
    return (W - dilation * (F - 1) - 1 + 2 * P) // S + 1


@tensor_method()
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """2-D convolution (cross-correlation: the kernel is not flipped).

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W), float32 or float64
    weight : Tensor, shape (O, C / groups, KH, KW), dtype of input
    bias : Tensor, shape (O,), optional
    stride : int or pair
        Step of the kernel in pixels.
    padding : int or pair or {"valid", "same"}
        Zeros around the image; "same" keeps the size (stride 1).
    dilation : int or pair
        Distance between the kernel's taps in pixels.
    groups : int
        Blocks of channels that are convolved apart; C and O are multiples of it.

    Returns
    -------
    Tensor, shape (N, O, OH, OW), OH = (H - dilation (KH - 1) - 1 + 2 padding) // stride + 1

    Raises
    ------
    ValueError
        Shapes that do not fit, or a kernel larger than the padded image.
    TypeError
        dtypes that differ or are no floats.

    References
    ----------
    Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".
    """
    if input.ndim == 3:
        out = conv2d(
            input.reshape(1, *input.shape), weight, bias, stride, padding, dilation, groups
        )
        return out.reshape(out.shape[1:])
    settings = check_conv2d(input, weight, bias, stride, padding, dilation, groups)
    if bias is None:
        return Conv2d(settings)(input, weight)
    return Conv2d(settings)(input, weight, bias)


def check_conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Conv2dSettings:
    """The settings of a convolution, once everything fits; raises as `conv2d` says."""
    x, w = input.shape, weight.shape
    if len(x) != 4:
        raise ValueError(f"conv2d: input must have shape (N, C, H, W) or (C, H, W), got {x}")
    if len(w) != 4:
        raise ValueError(f"conv2d: weight must have shape (O, C / groups, KH, KW), got {w}")
    stride = pair("conv2d", "stride", stride, 1)
    dilation = pair("conv2d", "dilation", dilation, 1)
    if not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"conv2d: groups must be an int of at least 1, got {groups!r}")
    if x[1] != w[1] * groups:
        hint = ""
        if x[3] == w[1] * groups and x[1] > x[3]:  # images have more rows than channels
            hint = "; the channels seem to come last, use permute(0, 3, 1, 2)"
        raise ValueError(
            f"conv2d: input has {x[1]} channels but weight {w} expects {w[1] * groups} "
            f"(groups={groups}){hint}"
        )
    if w[0] % groups:
        raise ValueError(f"conv2d: {w[0]} output channels are not a multiple of groups={groups}")
    if bias is not None and bias.shape != (w[0],):
        raise ValueError(f"conv2d: bias has shape {bias.shape} but weight {w} expects ({w[0]},)")
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.dtype != input.dtype:
            raise TypeError(f"conv2d: {name} is {value.dtype} but input is {input.dtype}")
    if input.array.dtype.kind != "f":
        raise TypeError(f"conv2d: expected floats, got {input.dtype}; use .float() first")
    padding = _padding(padding, w[2:], stride, dilation)
    if 0 in w[2:]:
        raise ValueError(f"conv2d: weight {w} has no rows or columns")
    window_error("conv2d", x[2:], w[2:], stride, padding, dilation)
    return Conv2dSettings(stride, padding, dilation, int(groups))


def window_error(
    where: str,
    size: Any,
    kernel: Any,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    """Raise ValueError, with the formula filled in, if a kernel does not fit into padded images."""
    for i, side in enumerate(("rows", "columns")):
        if conv_output_size(size[i], kernel[i], stride[i], padding[i], dilation[i]) < 1:
            spans = dilation[i] * (kernel[i] - 1) + 1
            raise ValueError(
                f"{where}: the kernel's {spans} {side} are more than the padded input's "
                f"{size[i]} + 2 * {padding[i]}: ({size[i]} - {spans} + 2 * {padding[i]})"
                f"/{stride[i]} + 1 < 1"
            )


def _padding(
    padding: Any, kernel: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int]:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"conv2d: padding 'same' needs stride 1, got {stride}")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if any(n % 2 for n in total):
            raise ValueError(
                f"conv2d: padding 'same' needs dilation * (kernel - 1) to be even, got {total}"
            )
        return total[0] // 2, total[1] // 2
    if isinstance(padding, str):
        raise ValueError(
            f"conv2d: padding must be an int, a pair of ints, 'same' or 'valid', got {padding!r}"
        )
    return pair("conv2d", "padding", padding, 0)
