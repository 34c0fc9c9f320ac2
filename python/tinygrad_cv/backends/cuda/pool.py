"""Pooling on the GPU: planes, one element a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cupy as cp
import numpy as np

from tinygrad_cv.backends.cuda.arrays import check_floats, dense, runs
from tinygrad_cv.backends.cuda.launch import launch, suffix, threads_for

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array, Pair, Pool2dSettings

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_gather",
]


Numbers = tuple[float, ...]


def _tap_dtype(settings: Pool2dSettings) -> Any:
    return np.uint8 if settings.kernel[0] * settings.kernel[1] <= 256 else np.int32


def max_pool2d(x: Array, settings: Pool2dSettings) -> tuple[Array, Array]:
    """The largest value of each window, and its tap: (y, argmax)."""
    check_floats("max_pool2d", x=x)
    shape = (*x.shape[:2], *settings.output_size(x.shape[2:]))
    y, argmax = cp.empty(shape, x.dtype), cp.empty(shape, _tap_dtype(settings))
    _run("max_pool2d", settings, (dense(x),), (y, argmax), x.shape, shape, argmax.dtype)
    return y, argmax


def max_pool2d_backward(grad: Array, argmax: Array, size: Pair, settings: Pool2dSettings) -> Array:
    """Sends each window's gradient to the place that argmax names."""
    check_floats("max_pool2d_backward", grad=grad)
    shape = (*grad.shape[:2], *size)
    _check_windows("max_pool2d_backward", "grad", grad, shape, settings)
    _check_windows("max_pool2d_backward", "argmax", argmax, shape, settings, _tap_dtype(settings))
    gx = cp.empty(shape, grad.dtype)
    arrays = dense(grad), dense(argmax)
    _run("max_pool2d_backward", settings, arrays, (gx,), shape, grad.shape, argmax.dtype)
    return gx


def max_pool2d_gather(x: Array, argmax: Array, settings: Pool2dSettings) -> Array:
    """x at the places that argmax names."""
    check_floats("max_pool2d_gather", x=x)
    _check_windows("max_pool2d_gather", "argmax", argmax, x.shape, settings, _tap_dtype(settings))
    y = cp.empty(argmax.shape, x.dtype)
    arrays = dense(x), dense(argmax)
    _run("max_pool2d_gather", settings, arrays, (y,), x.shape, y.shape, argmax.dtype)
    return y


def avg_pool2d(x: Array, settings: Pool2dSettings) -> Array:
    """The mean of each window."""
    check_floats("avg_pool2d", x=x)
    y = cp.empty((*x.shape[:2], *settings.output_size(x.shape[2:])), x.dtype)
    _run("avg_pool2d", settings, (dense(x),), (y,), x.shape, y.shape, numbers=_divisor(settings))
    return y


def avg_pool2d_backward(grad: Array, size: Pair, settings: Pool2dSettings) -> Array:
    """Spreads each window's gradient over it, divided as the forward pass divided."""
    check_floats("avg_pool2d_backward", grad=grad)
    gx = cp.empty((*grad.shape[:2], *size), grad.dtype)
    _check_windows("avg_pool2d_backward", "grad", grad, gx.shape, settings)
    numbers = _divisor(settings)
    _run(
        "avg_pool2d_backward", settings, (dense(grad),), (gx,), gx.shape, grad.shape,
        numbers=numbers,
    )  # fmt: skip
    return gx


def _divisor(settings: Pool2dSettings) -> Numbers:
    """Whether padding counts, and what is divided by, 0 for the number of elements."""
    return settings.count_include_pad, settings.divisor or 0


def lp_pool2d(x: Array, p: float, settings: Pool2dSettings) -> Array:
    """The p-norm of each window, as if it were whole."""
    check_floats("lp_pool2d", x=x)
    y = cp.empty((*x.shape[:2], *settings.output_size(x.shape[2:])), x.dtype)
    _run("lp_pool2d", settings, (dense(x),), (y,), x.shape, y.shape, numbers=(p,))
    return y


def lp_pool2d_backward(
    grad: Array, x: Array, y: Array, p: float, settings: Pool2dSettings
) -> Array:
    """Each gradient, by the norm's slope, goes to every element of its window."""
    check_floats("lp_pool2d_backward", grad=grad, x=x, y=y)
    _check_windows("lp_pool2d_backward", "grad", grad, x.shape, settings)
    _check_windows("lp_pool2d_backward", "y", y, x.shape, settings)
    gx = cp.empty(x.shape, x.dtype)
    arrays = dense(grad), dense(x), dense(y)
    _run("lp_pool2d_backward", settings, arrays, (gx,), x.shape, y.shape, numbers=(p,))
    return gx


def _check_windows(
    where: str, name: str, array: Array, x_shape: Any, settings: Pool2dSettings, dtype: Any = None
) -> None:
    """The array has one element for every window of an input of shape `x_shape`."""
    want = (*x_shape[:2], *settings.output_size(x_shape[2:]))
    if array.shape != want:
        raise ValueError(f"{where}: {name} is {array.shape} but input {tuple(x_shape)} has {want}")
    if dtype is not None and array.dtype != dtype:
        kind = np.dtype(dtype)
        raise TypeError(f"{where}: {name} must be a {kind} array, got ndarray of {array.dtype}")


def _run(
    kernel: str,
    settings: Pool2dSettings,
    arrays: tuple[Array, ...],
    results: tuple[Array, ...],
    x_shape: Any,
    y_shape: Any,
    tap: Any = None,
    numbers: Numbers = (),
) -> None:
    """Launch `kernel` on stacks of planes; one thread for each element of the first result.

    numbers: what the kernel takes between its arrays and the shapes.
    """
    planes, (h, w), (oh, ow) = x_shape[0] * x_shape[1], x_shape[2:], y_shape[2:]
    if not results[0].size:
        return
    name = f"{kernel}_{suffix(results[0].dtype)}" + (f"_{suffix(tap)}" if tap is not None else "")
    stacks = [array.reshape(planes, *array.shape[2:]) for array in (*arrays, *results)]
    for part in runs(kernel, "a plane", planes, max(h * w, oh * ow)):
        slices = [stack[part] for stack in stacks]
        elements = slices[len(arrays)].size
        launch(
            "pool", name, threads_for(elements), *slices, *numbers, part.stop - part.start,
            h, w, oh, ow, *settings.kernel, *settings.stride, *settings.padding,
            *settings.dilation,
        )  # fmt: skip
