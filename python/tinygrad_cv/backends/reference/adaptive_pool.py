"""Pooling to a given size in plain NumPy, one element of one window at a time."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.reference.arrays import check_floats
from tinygrad_cv.backends.windows import adaptive_windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.backends.contract import Array, Pair


def _windows(size: Pair, count: Pair) -> Iterator[tuple[int, int, range, range]]:
    """Each window's place in the result, its rows and its columns."""
    rows, columns = (
        [range(*ends) for ends in zip(*adaptive_windows(n, m), strict=True)]
        for n, m in zip(size, count, strict=True)
    )
    for p, q in product(range(count[0]), range(count[1])):
        yield p, q, rows[p], columns[q]


def adaptive_avg_pool2d(x: Array, size: Pair) -> Array:
    """The sum of each window's rows over its size."""
    check_floats("adaptive_avg_pool2d", x=x)
    y = np.zeros((*x.shape[:2], *size), x.dtype)
    for p, q, rows, columns in _windows((x.shape[2], x.shape[3]), size):
        for i in rows:
            row = np.zeros(x.shape[:2], x.dtype)
            for j in columns:
                row += x[..., i, j]
            y[..., p, q] += row
        y[..., p, q] /= max(len(rows), 1) * max(len(columns), 1)
    return y


def adaptive_avg_pool2d_backward(grad: Array, size: Pair) -> Array:
    """Each gradient, divided, goes to all of its window."""
    check_floats("adaptive_avg_pool2d_backward", grad=grad)
    count = (grad.shape[2], grad.shape[3])
    share = np.empty_like(grad, order="C")
    for p, q, rows, columns in _windows(size, count):
        share[..., p, q] = grad[..., p, q] / (len(rows) * len(columns))
    gx = np.zeros((*grad.shape[:2], *size), grad.dtype)
    for i, j, rows, columns in _windows(count, size):
        for p in rows:
            row = np.zeros(grad.shape[:2], grad.dtype)
            for q in columns:
                row += share[..., p, q]
            gx[..., i, j] += row
    return gx


def adaptive_max_pool2d(x: Array, size: Pair) -> tuple[Array, Array]:
    """The largest value of each window and its place."""
    check_floats("adaptive_max_pool2d", x=x)
    y = np.empty((*x.shape[:2], *size), x.dtype)
    places = np.empty(y.shape, np.int32)
    for p, q, rows, columns in _windows((x.shape[2], x.shape[3]), size):
        best = x[..., rows[0], columns[0]].copy()
        winner = np.full(best.shape, rows[0] * x.shape[3] + columns[0])
        for i, j in product(rows, columns):
            value = x[..., i, j]
            takes = (value > best) | (np.isnan(value) & ~np.isnan(best))
            best[takes], winner[takes] = value[takes], i * x.shape[3] + j
        y[..., p, q], places[..., p, q] = best, winner
    return y, places


def adaptive_max_pool2d_backward(grad: Array, places: Array, size: Pair) -> Array:
    """Each gradient goes to the place that won."""
    check_floats("adaptive_max_pool2d_backward", grad=grad)
    gx = np.zeros((*grad.shape[:2], size[0] * size[1]), grad.dtype)
    image, channel = np.indices(grad.shape[:2])
    for p, q in np.ndindex(*grad.shape[2:]):
        gx[image, channel, places[..., p, q]] += grad[..., p, q]
    return gx.reshape(*grad.shape[:2], *size)


def adaptive_max_pool2d_gather(x: Array, places: Array) -> Array:
    """The value at each place."""
    check_floats("adaptive_max_pool2d_gather", x=x)
    planes, windows = (a.reshape(*a.shape[:2], a.shape[2] * a.shape[3]) for a in (x, places))
    return np.take_along_axis(planes, windows, axis=2).reshape(places.shape)
