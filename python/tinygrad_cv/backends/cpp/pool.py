"""Pooling by the C++ kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense
from tinygrad_cv.backends.norm_pooling import norm_gradient, root_of_sums, window_gradient

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array, Pair, Pool2dSettings


def max_pool2d(x: Array, settings: Pool2dSettings) -> tuple[Array, Array]:
    kernel, stride, padding, dilation, ceil_mode, _, _ = settings
    return _core.max_pool2d(dense(x), kernel, stride, padding, dilation, ceil_mode)


def max_pool2d_backward(grad: Array, argmax: Array, size: Pair, settings: Pool2dSettings) -> Array:
    kernel, stride, padding, dilation, ceil_mode, _, _ = settings
    return _core.max_pool2d_backward(
        dense(grad), dense(argmax), size, kernel, stride, padding, dilation, ceil_mode
    )


def max_pool2d_gather(x: Array, argmax: Array, settings: Pool2dSettings) -> Array:
    kernel, stride, padding, dilation, ceil_mode, _, _ = settings
    return _core.max_pool2d_gather(
        dense(x), dense(argmax), kernel, stride, padding, dilation, ceil_mode
    )


def avg_pool2d(x: Array, settings: Pool2dSettings) -> Array:
    kernel, stride, padding, _, ceil_mode, include_pad, divisor = settings
    return _core.avg_pool2d(dense(x), kernel, stride, padding, ceil_mode, include_pad, divisor or 0)


def avg_pool2d_backward(grad: Array, size: Pair, settings: Pool2dSettings) -> Array:
    kernel, stride, padding, _, ceil_mode, include_pad, divisor = settings
    return _core.avg_pool2d_backward(
        dense(grad), size, kernel, stride, padding, ceil_mode, include_pad, divisor or 0
    )


def lp_pool2d(x: Array, p: float, settings: Pool2dSettings) -> Array:
    area = settings.kernel[0] * settings.kernel[1]
    with np.errstate(all="ignore"):
        powers = x**p
    return root_of_sums(avg_pool2d(powers, settings) * area, p)


def lp_pool2d_backward(
    grad: Array, x: Array, y: Array, p: float, settings: Pool2dSettings
) -> Array:
    area, size = settings.kernel[0] * settings.kernel[1], (x.shape[2], x.shape[3])
    shares = avg_pool2d_backward(window_gradient(grad, y, p), size, settings) * area
    return norm_gradient(shares, x, p)
