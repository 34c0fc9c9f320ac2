"""Layers that move values without changing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.tensor import Tensor

Side = int | tuple[int, int]


class Flatten(Module):
    """Dimensions `start_dim` to `end_dim` as one: (N, C, H, W) becomes (N, C H W).

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> Flatten()(tg.zeros(2, 3, 4, 4)).shape
    (2, 48)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension as several: the inverse of `Flatten`.

    Parameters
    ----------
    dim : int
    unflattened_size : sequence of int
        One may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return F.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class PixelShuffle(Module):
    """Channels laid out as pixels: (N, C r², H, W) becomes (N, C, H r, W r).

    References
    ----------
    Shi et al. 2016, "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network".
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels laid out as channels: the inverse of `PixelShuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class Upsample(Module):
    """A larger (or smaller) image.

    Parameters
    ----------
    size : int or tuple, optional
        Rows and columns of the result; or
    scale_factor : float or tuple, optional
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "area"}
    align_corners : bool, optional
        Whether the corners' centres stay where they are, in the linear and cubic modes.
    recompute_scale_factor : bool, optional
        As `functional.interpolate`.

    Raises
    ------
    ValueError
        Neither or both of size and scale_factor.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        if (size is None) == (scale_factor is None):
            raise ValueError(
                f"Upsample: give size or scale_factor, got size={size}, scale_factor={scale_factor}"
            )
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor
        self.scale_factor = _floats(scale_factor)

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            align_corners=self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        given = "scale_factor" if self.size is None else "size"
        return f"{given}={getattr(self, given)}, mode={self.mode!r}"


def _floats(value: Any) -> Any:
    if value is None:
        return None
    return tuple(map(float, value)) if isinstance(value, (tuple, list)) else float(value)


class Unfold(Module):
    """The windows of images as columns ("im2col").

    Parameters
    ----------
    kernel_size, dilation, padding, stride
        As `functional.unfold`.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C KH KW, L), L windows.
    """

    def __init__(
        self, kernel_size: Side, dilation: Side = 1, padding: Side = 0, stride: Side = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Unfold):
    """The columns of `Unfold` added up to images ("col2im").

    Parameters
    ----------
    output_size : int or pair
        Rows and columns of the images.
    kernel_size, dilation, padding, stride
        As `functional.fold`.
    """

    def __init__(
        self,
        output_size: Side,
        kernel_size: Side,
        dilation: Side = 1,
        padding: Side = 0,
        stride: Side = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
