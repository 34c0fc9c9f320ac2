"""Pooling to a given size by NumPy, a window of all planes or a step of all windows at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.windows import adaptive_windows

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array, Pair


def _counts(size: Pair, count: Pair, like: Array) -> Array:
    """How many elements each window has, at least 1."""
    sides = []
    for axis in (0, 1):
        start, end = adaptive_windows(size[axis], count[axis])
        sides.append(np.maximum(end - start, 1))
    return np.multiply.outer(*sides).astype(like.dtype)


def _window_sums(x: Array, axis: int, count: int) -> Array:
    """The sums of `count` windows along an axis, each in its order."""
    start, end = adaptive_windows(x.shape[axis], count)
    y = np.zeros((*x.shape[:axis], count, *x.shape[axis + 1 :]), x.dtype)
    for step in range(int((end - start).max(initial=0))):
        windows = np.flatnonzero(start + step < end)
        y[(slice(None),) * axis + (windows,)] += x.take(start[windows] + step, axis)
    return y


def adaptive_avg_pool2d(x: Array, size: Pair) -> Array:
    sums = _window_sums(_window_sums(x, 3, size[1]), 2, size[0])
    sums /= _counts((x.shape[2], x.shape[3]), size, x)
    return sums


def adaptive_avg_pool2d_backward(grad: Array, size: Pair) -> Array:
    share = grad / _counts(size, (grad.shape[2], grad.shape[3]), grad)
    return _window_sums(_window_sums(share, 3, size[1]), 2, size[0])


def adaptive_max_pool2d(x: Array, size: Pair) -> tuple[Array, Array]:
    places = np.empty((*x.shape[:2], *size), np.int32)
    bounds = [adaptive_windows(n, m) for n, m in zip(x.shape[2:], size, strict=True)]
    for p, q in np.ndindex(*size):
        top, bottom = bounds[0][0][p], bounds[0][1][p]
        left, right = bounds[1][0][q], bounds[1][1][q]
        count = (bottom - top) * (right - left)
        block = x[:, :, top:bottom, left:right].reshape(*x.shape[:2], count)
        best = block.argmax(axis=2)  # the first NaN, if there is one
        row, column = best // (right - left), best % (right - left)
        places[..., p, q] = (top + row) * x.shape[3] + left + column
    return adaptive_max_pool2d_gather(x, places), places


def adaptive_max_pool2d_backward(grad: Array, places: Array, size: Pair) -> Array:
    shape = (*grad.shape[:2], *size)
    flat = _flat(places, size[0] * size[1])
    sums = np.bincount(flat, weights=grad.reshape(-1), minlength=math.prod(shape))  # in float64
    return sums.astype(grad.dtype, copy=False).reshape(shape)


def adaptive_max_pool2d_gather(x: Array, places: Array) -> Array:
    flat = _flat(places, x.shape[2] * x.shape[3])
    return x.reshape(-1)[flat].reshape(places.shape)


def _flat(places: Array, plane: int) -> Array:
    """Places in planes as places in the whole array."""
    first = np.arange(places.shape[0] * places.shape[1]) * plane
    return (first.reshape(*places.shape[:2], 1, 1) + places).reshape(-1)
