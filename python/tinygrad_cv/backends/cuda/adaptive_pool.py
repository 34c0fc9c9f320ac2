"""Pooling to a given size on the GPU: planes, one element a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cupy as cp
import numpy as np

from tinygrad_cv.backends.cuda.arrays import check_floats, dense, runs
from tinygrad_cv.backends.cuda.launch import launch, suffix, threads_for

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array, Pair

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool2d_gather",
]


def adaptive_avg_pool2d(x: Array, size: Pair) -> Array:
    """The mean of each window."""
    check_floats("adaptive_avg_pool2d", x=x)
    y = cp.empty((*x.shape[:2], *size), x.dtype)
    _run("adaptive_avg_pool2d", (dense(x),), (y,), x.shape, y.shape)
    return y


def adaptive_avg_pool2d_backward(grad: Array, size: Pair) -> Array:
    """Spreads each window's gradient over it, divided by its size."""
    check_floats("adaptive_avg_pool2d_backward", grad=grad)
    gx = cp.empty((*grad.shape[:2], *size), grad.dtype)
    _run("adaptive_avg_pool2d_backward", (dense(grad),), (gx,), gx.shape, grad.shape)
    return gx


def adaptive_max_pool2d(x: Array, size: Pair) -> tuple[Array, Array]:
    """The largest value of each window, and its place."""
    check_floats("adaptive_max_pool2d", x=x)
    y = cp.empty((*x.shape[:2], *size), x.dtype)
    places = cp.empty(y.shape, np.int32)
    _run("adaptive_max_pool2d", (dense(x),), (y, places), x.shape, y.shape)
    return y, places


def adaptive_max_pool2d_backward(grad: Array, places: Array, size: Pair) -> Array:
    """Sends each window's gradient to its place."""
    check_floats("adaptive_max_pool2d_backward", grad=grad)
    _check_places("adaptive_max_pool2d_backward", places, grad.shape)
    gx = cp.empty((*grad.shape[:2], *size), grad.dtype)
    arrays = dense(grad), dense(places)
    _run("adaptive_max_pool2d_backward", arrays, (gx,), gx.shape, grad.shape)
    return gx


def adaptive_max_pool2d_gather(x: Array, places: Array) -> Array:
    """x at the places."""
    check_floats("adaptive_max_pool2d_gather", x=x)
    _check_places("adaptive_max_pool2d_gather", places, (*x.shape[:2], *places.shape[2:]))
    y = cp.empty(places.shape, x.dtype)
    _run("adaptive_max_pool2d_gather", (dense(x), dense(places)), (y,), x.shape, y.shape)
    return y


def _check_places(where: str, places: Array, want: Any) -> None:
    """One place for every window; `launch` looks at the dtype."""
    if places.shape != want:
        raise ValueError(f"{where}: places is {places.shape} but the windows are {tuple(want)}")


def _run(
    kernel: str, arrays: tuple[Array, ...], results: tuple[Array, ...], x_shape: Any, y_shape: Any
) -> None:
    """Launch `kernel` on stacks of planes; one thread for each element of the first result."""
    planes, (h, w), (oh, ow) = x_shape[0] * x_shape[1], x_shape[2:], y_shape[2:]
    if not results[0].size:
        return
    name = f"{kernel}_{suffix(results[0].dtype)}"
    stacks = [array.reshape(planes, *array.shape[2:]) for array in (*arrays, *results)]
    for part in runs(kernel, "a plane", planes, max(h * w, oh * ow)):
        slices = [stack[part] for stack in stacks]
        blocks = threads_for(slices[len(arrays)].size)
        launch("adaptive_pool", name, blocks, *slices, part.stop - part.start, h, w, oh, ow)
