"""Convolution layers: learnable filters that slide over their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_cv import functional as F
from tinygrad_cv.functional.conv import numbers
from tinygrad_cv.nn.checks import check_at_least
from tinygrad_cv.nn.linear import reset_as_pytorch
from tinygrad_cv.nn.module import Module
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor

Ints = int | tuple[int, ...]


class Convolution(Module):
    """What convolutions share: settings as one int per dimension, weight and bias."""

    dims: ClassVar[int]
    transposed: ClassVar[bool] = False

    bias: Parameter | None
    kernel_size: Any  # each a tuple of one int a dimension; the padding may be a word
    stride: Any
    padding: Any
    dilation: Any
    output_padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints | str,
        dilation: Ints,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        check_channels(where, in_channels, out_channels, groups)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = numbers(where, "kernel_size", kernel_size, 1, self.dims)
        self.stride = numbers(where, "stride", stride, 1, self.dims)
        self.padding = check_padding(where, padding, self.stride)
        self.dilation = numbers(where, "dilation", dilation, 1, self.dims)
        self.output_padding = (0,) * self.dims
        self.padding_mode = padding_mode
        ends = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (ends[0], ends[1] // groups, *self.kernel_size)
        self.weight = Parameter(F.empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(F.empty(out_channels, dtype=dtype, device=device)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw new starting values."""
        reset_as_pytorch(self.weight, self.bias, generator)

    def _framed(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input in a frame that is not zeros, and the padding that is left to do."""
        if self.padding_mode == "zeros":
            return input, self.padding
        frame = frame_of(self.padding, self.kernel_size, self.dilation)
        return F.pad(input, frame, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        none = (0,) * self.dims
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != none:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.dims:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != none:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Forward(Convolution):
    """A convolution with PyTorch's order of arguments."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        check_padding_mode(type(self).__name__, padding_mode)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
            generator,
        )


class Conv2d(_Forward):
    """2-D convolution: each output channel is a filter slid over all input channels of its group.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair
        Rows and columns of the filters.
    stride, padding, dilation, groups
        As `functional.conv2d`; padding may be "same" or "valid".
    bias : bool
        Whether to add one number per output channel.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is filled with, as `functional.pad`.
    device, dtype : optional
        Of the parameters; default CPU, float32.
    generator : Generator, optional
        Draws the starting values.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, rows, columns)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        Sizes below 1, or channels that are no multiple of `groups`.

    Notes
    -----
    Shapes: x (N, C, H, W) or (C, H, W), y (N, O, OH, OW) or (O, OH, OW),
    OH = (H + 2 padding - dilation (rows - 1) - 1) // stride + 1. Starting values are PyTorch's:
    uniform within 1 / sqrt(fan_in).

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> Conv2d(3, 16, 5, padding=2)
    Conv2d(3, 16, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    """

    dims = 2

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._framed(input)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(_Forward):
    """1-D convolution; see `Conv2d` for the parameters.

    Notes
    -----
    Shapes: x (N, C, L) or (C, L), y (N, O, OL) or (O, OL).
    """

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._framed(input)
        return F.conv1d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


def check_channels(where: str, in_channels: int, out_channels: int, groups: int) -> None:
    """Channels must be positive multiples of the groups."""
    check_at_least(where, 1, in_channels=in_channels, out_channels=out_channels, groups=groups)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{where}: {name}={channels} is not a multiple of groups={groups}")


def check_padding(where: str, padding: Any, stride: tuple[int, ...]) -> tuple[int, ...] | str:
    """One int for each dimension, or "same" or "valid"."""
    if not isinstance(padding, str):
        return numbers(where, "padding", padding, 0, len(stride))
    if padding not in ("same", "valid"):
        raise ValueError(
            f"{where}: padding must be an int, a pair of ints, 'same' or 'valid', got {padding!r}"
        )
    if padding == "same" and any(s != 1 for s in stride):
        raise ValueError(f"{where}: padding 'same' needs stride 1, got {stride}")
    return padding


def check_padding_mode(where: str, mode: str) -> None:
    """One of the ways to fill a frame."""
    if mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(
            f"{where}: padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular', "
            f"got {mode!r}"
        )


def frame_of(
    padding: tuple[int, ...] | str, kernel_size: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """The padding as `functional.pad` takes it: (before, after), the last dimension first."""
    frame: list[int] = []
    for i in reversed(range(len(kernel_size))):
        if padding == "same":
            total = dilation[i] * (kernel_size[i] - 1)
            frame += [total // 2, total - total // 2]
        else:
            amount = 0 if isinstance(padding, str) else padding[i]
            frame += [amount, amount]
    return tuple(frame)
