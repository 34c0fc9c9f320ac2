"""Pooling in plain NumPy, one tap of the window at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.norm_pooling import norm_gradient, root_of_sums, window_gradient
from tinygrad_cv.backends.reference.arrays import check_floats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.backends.contract import Array, Pair, Pool2dSettings

Taps = tuple[int, slice, slice]


def _taps(settings: Pool2dSettings, out: Pair) -> Iterator[Taps]:
    """Each tap of the window, and the rows and columns of the padded input that it reads."""
    for i in range(settings.kernel[0]):
        for j in range(settings.kernel[1]):
            start = i * settings.dilation[0], j * settings.dilation[1]
            rows, columns = (
                slice(
                    start[a], start[a] + (out[a] - 1) * settings.stride[a] + 1, settings.stride[a]
                )
                for a in (0, 1)
            )
            yield i * settings.kernel[1] + j, rows, columns


def _padded_size(settings: Pool2dSettings, size: Pair, out: Pair) -> Pair:
    """Rows and columns up to the last that a window or the padding reaches."""
    h, w = (
        max(
            size[a] + 2 * settings.padding[a],
            (out[a] - 1) * settings.stride[a] + settings.dilation[a] * (settings.kernel[a] - 1) + 1,
        )
        for a in (0, 1)
    )
    return h, w


def _padded(x: Array, settings: Pool2dSettings, out: Pair, fill: float) -> Array:
    (n, c, *size), (ph, pw) = x.shape, settings.padding
    padded = np.full((n, c, *_padded_size(settings, (size[0], size[1]), out)), fill, x.dtype)
    padded[:, :, ph : ph + size[0], pw : pw + size[1]] = x
    return padded


def _unpadded(padded: Array, settings: Pool2dSettings, size: Pair) -> Array:
    (ph, pw), (h, w) = settings.padding, size
    return np.ascontiguousarray(padded[:, :, ph : ph + h, pw : pw + w])


def max_pool2d(x: Array, settings: Pool2dSettings) -> tuple[Array, Array]:
    """The largest value of each window and its tap; padding never wins."""
    check_floats("max_pool2d", x=x)
    out = settings.output_size(x.shape[2:])
    padded = _padded(x, settings, out, -np.inf)
    inside = _padded(np.ones_like(x), settings, out, 0) > 0
    best = np.full((*x.shape[:2], *out), -np.inf, x.dtype)
    taps = settings.kernel[0] * settings.kernel[1]
    argmax = np.zeros(best.shape, np.uint8 if taps <= 256 else np.int32)
    empty = np.ones(best.shape, bool)
    for tap, rows, columns in _taps(settings, out):
        value, real = padded[..., rows, columns], inside[..., rows, columns]
        takes = real & (empty | (value > best) | np.isnan(value))
        best = np.where(takes, value, best)
        argmax[takes] = tap
        empty &= ~real
    return best, argmax


def max_pool2d_backward(grad: Array, argmax: Array, size: Pair, settings: Pool2dSettings) -> Array:
    """Each gradient goes to the tap that won."""
    check_floats("max_pool2d_backward", grad=grad)
    out = (grad.shape[2], grad.shape[3])
    gx = np.zeros((*grad.shape[:2], *_padded_size(settings, size, out)), grad.dtype)
    for tap, rows, columns in _taps(settings, out):
        gx[..., rows, columns] += np.where(argmax == tap, grad, 0)
    return _unpadded(gx, settings, size)


def max_pool2d_gather(x: Array, argmax: Array, settings: Pool2dSettings) -> Array:
    """The value of each window's tap `argmax`."""
    check_floats("max_pool2d_gather", x=x)
    out = (argmax.shape[2], argmax.shape[3])
    padded = _padded(x, settings, out, 0)
    y = np.zeros(argmax.shape, x.dtype)
    for tap, rows, columns in _taps(settings, out):
        y = np.where(argmax == tap, padded[..., rows, columns], y)
    return y


def _divisor(settings: Pool2dSettings, size: Pair, out: Pair) -> Array:
    """What each window's sum is divided by: (OH, OW)."""
    if settings.divisor is not None:
        return np.full(out, settings.divisor)
    counts = []
    for a in (0, 1):
        start = np.arange(out[a]) * settings.stride[a] - settings.padding[a]
        end = np.minimum(start + settings.kernel[a], size[a] + settings.padding[a])
        if not settings.count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size[a])
        counts.append(end - start)
    return np.multiply.outer(*counts)


def avg_pool2d(x: Array, settings: Pool2dSettings) -> Array:
    """The sum of each window over its divisor."""
    check_floats("avg_pool2d", x=x)
    size = (x.shape[2], x.shape[3])
    out = settings.output_size(size)
    padded = _padded(x, settings, out, 0)
    y = np.zeros((*x.shape[:2], *out), x.dtype)
    for _, rows, columns in _taps(settings, out):
        y += padded[..., rows, columns]
    return (y / _divisor(settings, size, out)).astype(x.dtype)


def avg_pool2d_backward(grad: Array, size: Pair, settings: Pool2dSettings) -> Array:
    """Each gradient, divided, goes to every tap of its window."""
    check_floats("avg_pool2d_backward", grad=grad)
    out = (grad.shape[2], grad.shape[3])
    share = (grad / _divisor(settings, size, out)).astype(grad.dtype)
    gx = np.zeros((*grad.shape[:2], *_padded_size(settings, size, out)), grad.dtype)
    for _, rows, columns in _taps(settings, out):
        gx[..., rows, columns] += share
    return _unpadded(gx, settings, size)


def lp_pool2d(x: Array, p: float, settings: Pool2dSettings) -> Array:
    """The p-norm of each window, as if it were whole."""
    check_floats("lp_pool2d", x=x)
    area = settings.kernel[0] * settings.kernel[1]
    with np.errstate(all="ignore"):
        powers = x**p
    return root_of_sums(avg_pool2d(powers, settings) * area, p)


def lp_pool2d_backward(
    grad: Array, x: Array, y: Array, p: float, settings: Pool2dSettings
) -> Array:
    """Each gradient, by the norm's slope, goes to every element of its window."""
    area, size = settings.kernel[0] * settings.kernel[1], (x.shape[2], x.shape[3])
    shares = avg_pool2d_backward(window_gradient(grad, y, p), size, settings) * area
    return norm_gradient(shares, x, p)
