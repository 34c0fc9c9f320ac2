"""Pooling layers: each channel's windows summed up in one number each. They learn nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.tensor import Tensor

Side = int | tuple[int, int]


class _MaxPool(Module):
    """A pooling that takes the largest value of each window."""

    def __init__(
        self,
        kernel_size: Side,
        stride: Side | None = None,
        padding: Side = 0,
        dilation: Side = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool2d(_MaxPool):
    """The largest value of each window.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, return_indices, ceil_mode
        As `functional.max_pool2d`.

    Notes
    -----
    Shapes: x (N, C, H, W) or (C, H, W); rows and columns as a convolution's. A 2 x 2 window drops
    three quarters of the values. With `return_indices` the layer gives a pair, the values and where
    each was, as `MaxUnpool2d` takes it.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> MaxPool2d(2)(tg.zeros(1, 3, 8, 8)).shape
    (1, 3, 4, 4)
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool1d(_MaxPool):
    """The largest value of each window of rows (N, C, L) or (C, L); see `MaxPool2d`."""

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxUnpool2d(Module):
    """Each value back at the place that `MaxPool2d` took it from, zeros elsewhere.

    Parameters
    ----------
    kernel_size, stride, padding
        As they were given to the `MaxPool2d`.

    References
    ----------
    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> values, places = MaxPool2d(2, return_indices=True)(tg.tensor([[[1.0, 4.0], [3.0, 2.0]]]))
    >>> MaxUnpool2d(2)(values, places).tolist()
    [[[0.0, 4.0], [0.0, 0.0]]]
    """

    def __init__(self, kernel_size: Side, stride: Side | None = None, padding: Side = 0) -> None:
        super().__init__()
        self.kernel_size = _pair(kernel_size)
        self.stride = self.kernel_size if stride is None else _pair(stride)
        self.padding = _pair(padding)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The image; `output_size` chooses among the sizes that the settings leave open."""
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As `functional.avg_pool2d`.

    Notes
    -----
    Shapes: x (N, C, H, W) or (C, H, W); rows and columns as a convolution's.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> AvgPool2d(2)(tg.ones(1, 1, 2, 2)).item()
    1.0
    """

    def __init__(
        self,
        kernel_size: Side,
        stride: Side | None = None,
        padding: Side = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(Module):
    """The mean of each window of rows (N, C, L) or (C, L).

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As `functional.avg_pool1d`.
    """

    def __init__(
        self,
        kernel_size: Side,
        stride: Side | None = None,
        padding: Side = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = self.kernel_size if stride is None else _single(stride)
        self.padding = _single(padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _LPPool(Module):
    """A pooling that takes a norm of each window."""

    def __init__(
        self,
        norm_type: float,
        kernel_size: Side,
        stride: Side | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool2d(_LPPool):
    """The p-norm of each window: p = 1 is its sum, p = 2 L2-norm pooling, p → ∞ its maximum.

    Parameters
    ----------
    norm_type : float
        p.
    kernel_size, stride, ceil_mode
        As `functional.lp_pool2d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, ceil_mode=self.ceil_mode
        )


class LPPool1d(_LPPool):
    """The p-norm of each window of rows (N, C, L) or (C, L); see `LPPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, ceil_mode=self.ceil_mode
        )


class _Adaptive(Module):
    """A pooling whose windows follow from the size of its output."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMax(_Adaptive):
    """One that can say where the values were."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveAvgPool2d(_Adaptive):
    """The means of as many windows as the output is to have rows and columns.

    Parameters
    ----------
    output_size : int or pair
        Rows and columns; None keeps the input's. 1 is the mean over the whole image.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> AdaptiveAvgPool2d((3, None))(tg.zeros(1, 8, 7, 5)).shape
    (1, 8, 3, 5)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """The means of `output_size` windows of rows (N, C, L) or (C, L)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """The largest values of as many windows as the output is to have rows and columns.

    Parameters
    ----------
    output_size : int or pair
        Rows and columns; None keeps the input's.
    return_indices : bool
        Give a pair: the values and where each was.
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, return_indices=self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The largest values of `output_size` windows of rows (N, C, L) or (C, L)."""

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, return_indices=self.return_indices)


def _single(value: Any) -> Any:
    return (value,) if isinstance(value, int) else tuple(value)


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else tuple(value)
