"""Convolution: argument checks and settings; the gates compute."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.gates.conv import Conv2d
from tinygrad_cv.gates.shape import ConstantPad

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.backends.contract import Pair
    from tinygrad_cv.engine.gate import Gate
    from tinygrad_cv.engine.tensor import Tensor


def pair(where: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """An int or two as a pair (rows, columns), each at least `least`."""
    rows, columns = numbers(where, name, value, least, 2)
    return rows, columns


def numbers(where: str, name: str, value: Any, least: int, count: int) -> tuple[int, ...]:
    """An int, or as many as there are sides, each at least `least`."""
    if value.__class__ is int and value >= least:  # a layer's settings, which come each time
        return (value,) * count
    if value.__class__ is tuple and len(value) == count:
        for n in value:
            if n.__class__ is not int or n < least:
                break
        else:
            return value
    given = (value,) if isinstance(value, (int, np.integer)) else value
    if (
        isinstance(given, str)
        or not hasattr(given, "__len__")
        or len(given) not in (1, count)
        or not all(isinstance(n, (int, np.integer)) for n in given)
    ):
        more = "" if count == 1 else " or a pair of ints"
        raise TypeError(f"{where}: {name} must be an int{more}, got {value!r}")
    if any(n < least for n in given):
        raise ValueError(f"{where}: {name} must be at least {least}, got {value!r}")
    return tuple([int(n) for n in given]) * (count // len(given))


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
        Zeros around the image; "same" keeps the size (stride 1); where that needs an odd number of
        zeros, one more stands at the end.
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
    return convolved("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@tensor_method()
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """1-D convolution (cross-correlation: the kernel is not flipped).

    Parameters
    ----------
    input : Tensor, shape (N, C, L) or (C, L), float32 or float64
    weight : Tensor, shape (O, C / groups, K), dtype of input
    bias, stride, padding, dilation, groups
        As `conv2d`.

    Returns
    -------
    Tensor, shape (N, O, OL), OL = (L - dilation (K - 1) - 1 + 2 padding) // stride + 1

    Raises
    ------
    ValueError, TypeError
        As `conv2d`.
    """
    return convolved("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


_SHAPES = {
    1: ("(N, C, L) or (C, L)", "(O, C / groups, K)"),
    2: ("(N, C, H, W) or (C, H, W)", "(O, C / groups, KH, KW)"),
}
_SIDES = {1: ("values",), 2: ("rows", "columns")}


def convolved(
    where: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    gate_of: Callable[[Conv2dSettings, Pair], Gate] | None = None,
) -> Tensor:
    """The convolution; `gate_of` makes its gate, given the settings and the result's rows, columns."""
    if input.ndim == dims + 1:
        batch = input.reshape(1, *input.shape)
        out = convolved(
            where, dims, batch, weight, bias, stride, padding, dilation, groups, gate_of
        )
        return out.reshape(out.shape[1:])
    stride = numbers(where, "stride", stride, 1, dims)
    dilation = numbers(where, "dilation", dilation, 1, dims)
    if not isinstance(padding, str):
        padding = numbers(where, "padding", padding, 0, dims)
    if not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"{where}: groups must be an int of at least 1, got {groups!r}")
    x, w = input.shape, weight.shape
    settings, frame, size = _fit(where, dims, x, w, stride, padding, dilation, int(groups))
    if bias is not None and bias.shape != w[:1]:
        raise ValueError(f"{where}: bias has shape {bias.shape} but weight {w} expects ({w[0]},)")
    check_dtypes(where, input, weight, bias)
    if any(frame):
        input = ConstantPad(((0, 0), (0, 0), *[(0, extra) for extra in frame]), 0)(input)
    image, kernels = (input, weight) if dims == 2 else (input.unsqueeze(2), weight.unsqueeze(2))
    gate = Conv2d(settings) if gate_of is None else gate_of(settings, size)
    y: Tensor = gate(image, kernels) if bias is None else gate(image, kernels, bias)
    return y if dims == 2 else y.squeeze(2)


@lru_cache(maxsize=1024)  # a network's layers ask the same in every step
def _fit(
    where: str,
    dims: int,
    x: tuple[int, ...],
    w: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
) -> tuple[Conv2dSettings, tuple[int, ...], Pair]:
    """What follows from the shapes of input and weight and the settings.

    The settings of the kernels, the zeros that "same" adds at the end of each side, and the result's
    rows and columns; those of a row are those of one image row.
    """
    check_shapes(where, dims, x, w, groups)
    kernel = w[2:]
    padding, frame = _padding(where, padding, kernel, stride, dilation)
    sides = tuple([n + extra for n, extra in zip(x[2:], frame, strict=True)])
    window_error(where, sides, kernel, stride, padding, dilation)
    if dims == 1:
        sides, kernel = (1, *sides), (1, *kernel)
        stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
    settings = Conv2dSettings(stride, padding, dilation, groups)  # type: ignore[arg-type]
    return settings, frame, settings.output_size(sides, kernel)  # type: ignore[arg-type]


def check_shapes(
    where: str, dims: int, x: tuple[int, ...], w: tuple[int, ...], groups: int
) -> None:
    """Raise as `conv2d` says unless channels and groups fit."""
    if len(x) != dims + 2:
        raise ValueError(f"{where}: input must have shape {_SHAPES[dims][0]}, got {x}")
    if len(w) != dims + 2:
        raise ValueError(f"{where}: weight must have shape {_SHAPES[dims][1]}, got {w}")
    if x[1] != w[1] * groups:
        hint = ""
        if dims == 2 and x[3] == w[1] * groups and x[1] > x[3]:  # more rows than channels
            hint = "; the channels seem to come last, use permute(0, 3, 1, 2)"
        raise ValueError(
            f"{where}: input has {x[1]} channels but weight {w} expects {w[1] * groups} "
            f"(groups={groups}){hint}"
        )
    if w[0] % groups:
        raise ValueError(f"{where}: {w[0]} output channels are not a multiple of groups={groups}")
    if 0 in w[2:]:
        raise ValueError(f"{where}: weight {w} has no {' or '.join(_SIDES[dims])}")


def check_dtypes(where: str, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise TypeError unless all are of one float dtype."""
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.dtype != input.dtype:
            raise TypeError(f"{where}: {name} is {value.dtype} but input is {input.dtype}")
    if input.array.dtype.kind != "f":
        raise TypeError(f"{where}: expected floats, got {input.dtype}; use .float() first")


def window_error(
    where: str, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> None:
    """Raise ValueError, with the formula filled in, if a kernel does not fit into padded images."""
    for i, side in enumerate(_SIDES[len(kernel)]):
        if conv_output_size(size[i], kernel[i], stride[i], padding[i], dilation[i]) < 1:
            spans = dilation[i] * (kernel[i] - 1) + 1
            raise ValueError(
                f"{where}: the kernel's {spans} {side} are more than the padded input's "
                f"{size[i]} + 2 * {padding[i]}: ({size[i]} - {spans} + 2 * {padding[i]})"
                f"/{stride[i]} + 1 < 1"
            )


def _padding(
    where: str, padding: Any, kernel: Any, stride: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros at both ends of each side, and how many more at its end."""
    none = (0,) * len(kernel)
    if padding == "valid":
        return none, none
    if padding == "same":
        if any(n != 1 for n in stride):
            raise ValueError(f"{where}: padding 'same' needs stride 1, got {stride}")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple([n // 2 for n in total]), tuple([n % 2 for n in total])
    if isinstance(padding, str):
        raise ValueError(
            f"{where}: padding must be an int, a pair of ints, 'same' or 'valid', got {padding!r}"
        )
    return padding, none
