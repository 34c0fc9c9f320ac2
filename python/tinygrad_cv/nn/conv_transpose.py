"""Transposed convolution layers: learnable filters that each input value lays down in its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.functional.conv import numbers
from tinygrad_cv.nn.conv import Convolution, Ints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor


class _Transposed(Convolution):
    """A transposed convolution with PyTorch's order of arguments."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        where = type(self).__name__
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(
                f"{where}: a transposed convolution takes padding away; it must be ints and "
                f"'zeros', got {padding!r} and {padding_mode!r}"
            )
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
        self.output_padding = numbers(where, "output_padding", output_padding, 0, self.dims)

    def _added(self, input: Tensor, output_size: Sequence[int] | None) -> Any:
        """The output_padding that gives the wished-for size."""
        if output_size is None:
            return self.output_padding
        where = type(self).__name__
        wanted = tuple(output_size)[-self.dims :]
        if len(tuple(output_size)) < self.dims:
            raise ValueError(f"{where}: output_size {output_size} needs {self.dims} lengths")
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self.dims :],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        for size, low, stride in zip(wanted, least, self.stride, strict=True):
            if not low <= size < low + stride:
                most = tuple(low + s - 1 for low, s in zip(least, self.stride, strict=True))
                raise ValueError(
                    f"{where}: output_size {wanted} but an input {input.shape} gives from "
                    f"{tuple(least)} to {most}"
                )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class ConvTranspose2d(_Transposed):
    """The transpose of a convolution: each input value adds its multiple of a filter.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, output_padding, groups, dilation
        As `functional.conv_transpose2d`.
    bias : bool
        Whether to add one number per output channel.
    padding_mode : {"zeros"}
    device, dtype : optional
        Of the parameters; default CPU, float32.
    generator : Generator, optional
        Draws the starting values.

    Attributes
    ----------
    weight : Parameter, shape (in_channels, out_channels / groups, rows, columns)
    bias : Parameter, shape (out_channels,), or None

    Notes
    -----
    Shapes: x (N, C, H, W), y (N, O, OH, OW),
    OH = (H - 1) stride - 2 padding + dilation (rows - 1) + output_padding + 1.

    References
    ----------
    Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
    """

    dims = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The output; `output_size` chooses among the sizes that the stride leaves open."""
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._added(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_Transposed):
    """The transpose of a 1-D convolution; see `ConvTranspose2d`."""

    dims = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The output; `output_size` chooses among the sizes that the stride leaves open."""
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._added(input, output_size),
            self.groups,
            self.dilation,
        )
