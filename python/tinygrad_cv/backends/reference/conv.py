"""Convolution in plain NumPy: slow, obviously right, the oracle of the other rooms.

One kernel tap at a time: tap (r, s) multiplies the padded input, shifted by its place and stepped by
the stride, with one matrix of weights. float32 and float64; sums have the inputs' dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.backends.contract import Array, Conv2dSettings, Pair


def _taps(
    kernel: Pair, settings: Conv2dSettings, out: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """Each kernel tap (r, s), and the padded rows and columns that it reads for all outputs."""
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            top, left = r * settings.dilation[0], s * settings.dilation[1]
            rows = slice(top, top + (out[0] - 1) * settings.stride[0] + 1, settings.stride[0])
            columns = slice(left, left + (out[1] - 1) * settings.stride[1] + 1, settings.stride[1])
            yield r, s, rows, columns


def _padded(x: Array, settings: Conv2dSettings) -> Array:
    (ph, pw), groups = settings.padding, settings.groups
    n, c = x.shape[:2]
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    return x.reshape(n, groups, c // groups, *x.shape[2:])  # (N, G, C/G, H + 2 ph, W + 2 pw)


def conv2d(
    x: Array, w: Array, bias: Array | None, settings: Conv2dSettings, relu: bool = False
) -> Array:
    """y = x cross-correlated with w, plus bias; relu: negative values become 0."""
    groups, kernel = settings.groups, w.shape[2:]
    out = settings.output_size(x.shape[2:], kernel)
    x = _padded(x, settings)
    w = w.reshape(groups, -1, *w.shape[1:])  # (G, K/G, C/G, R, S)
    y = np.zeros((x.shape[0], groups, w.shape[1], *out), dtype=x.dtype)
    for r, s, rows, columns in _taps(kernel, settings, out):
        y += np.einsum("ngchw,gkc->ngkhw", x[..., rows, columns], w[..., r, s])
    y = y.reshape(x.shape[0], groups * w.shape[1], *out)
    if bias is not None:
        y += bias.reshape(-1, 1, 1)
    return np.maximum(y, 0) if relu else y


def conv2d_backward_input(grad: Array, w: Array, size: Pair, settings: Conv2dSettings) -> Array:
    """Gradient with respect to x: each output pixel is given back to the inputs that it read."""
    groups, (ph, pw) = settings.groups, settings.padding
    n, k, *out = grad.shape
    grad = grad.reshape(n, groups, k // groups, *out)
    w = w.reshape(groups, -1, *w.shape[1:])
    shape = (n, groups, w.shape[2], size[0] + 2 * ph, size[1] + 2 * pw)
    gx = np.zeros(shape, dtype=grad.dtype)
    for r, s, rows, columns in _taps(w.shape[3:], settings, (out[0], out[1])):
        gx[..., rows, columns] += np.einsum("ngkhw,gkc->ngchw", grad, w[..., r, s])
    gx = gx[..., ph : ph + size[0], pw : pw + size[1]]
    return np.ascontiguousarray(gx.reshape(n, groups * w.shape[2], *size))


def conv2d_backward_weight(x: Array, grad: Array, kernel: Pair, settings: Conv2dSettings) -> Array:
    """Gradient with respect to w: each tap sums the products of outputs and the inputs they read."""
    groups, (n, k, *out) = settings.groups, grad.shape
    x = _padded(x, settings)
    grad = grad.reshape(n, groups, k // groups, *out)
    gw = np.zeros((groups, grad.shape[2], x.shape[2], *kernel), dtype=grad.dtype)
    for r, s, rows, columns in _taps(kernel, settings, (out[0], out[1])):
        gw[..., r, s] = np.einsum("ngkhw,ngchw->gkc", grad, x[..., rows, columns])
    return gw.reshape(-1, x.shape[2], *kernel)
