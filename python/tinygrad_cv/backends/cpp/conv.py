"""Convolution by the C++ kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array, Conv2dSettings, Pair


def conv2d(
    x: Array, w: Array, bias: Array | None, settings: Conv2dSettings, relu: bool = False
) -> Array:
    """relu: negative values become 0 in the kernel's last write."""
    if bias is not None:
        bias = dense(bias)
    return _core.conv2d(dense(x), dense(w), bias, settings, relu)


def conv2d_backward_input(grad: Array, w: Array, size: Pair, settings: Conv2dSettings) -> Array:
    return _core.conv2d_backward_input(dense(grad), dense(w), size, settings)


def conv2d_backward_weight(x: Array, grad: Array, kernel: Pair, settings: Conv2dSettings) -> Array:
    return _core.conv2d_backward_weight(dense(x), dense(grad), kernel, settings)
