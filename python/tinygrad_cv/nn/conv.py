"""Convolution layers: learnable filters that slide over their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.functional.conv import pair
from tinygrad_cv.nn.checks import check_at_least
from tinygrad_cv.nn.linear import reset_as_pytorch
from tinygrad_cv.nn.module import Module
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor

Pair = tuple[int, int]


class Conv2d(Module):
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

    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        check_channels("Conv2d", in_channels, out_channels, groups)
        check_padding_mode("Conv2d", padding_mode)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.padding = check_padding("Conv2d", padding, self.stride)
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        self.groups = groups
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(F.empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(F.empty(out_channels, dtype=dtype, device=device)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw new starting values."""
        reset_as_pytorch(self.weight, self.bias, generator)

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            frame = frame_of(padding, self.kernel_size, self.dilation)
            input, padding = F.pad(input, frame, mode=self.padding_mode), (0, 0)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def check_channels(where: str, in_channels: int, out_channels: int, groups: int) -> None:
    """Channels must be positive multiples of the groups."""
    check_at_least(where, 1, in_channels=in_channels, out_channels=out_channels, groups=groups)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{where}: {name}={channels} is not a multiple of groups={groups}")


def check_padding(where: str, padding: Any, stride: Pair) -> Pair | str:
    """A pair, or "same" or "valid"."""
    if not isinstance(padding, str):
        return pair(where, "padding", padding, 0)
    if padding not in ("same", "valid"):
        raise ValueError(
            f"{where}: padding must be an int, a pair of ints, 'same' or 'valid', got {padding!r}"
        )
    if padding == "same" and stride != (1, 1):
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
