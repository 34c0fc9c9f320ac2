"""Normalisation on the GPU, and sums over channels: parts of a channel a block each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cupy as cp

from tinygrad_cv.backends.cuda.arrays import check_count, check_floats, check_same_size, dense, runs
from tinygrad_cv.backends.cuda.launch import launch, processors, suffix, threads_for
from tinygrad_cv.backends.cuda.matmul import add_parts

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "channel_affine",
    "channel_sum",
    "layer_norm",
    "layer_norm_backward",
    "relu_channel_sum",
]

_SHORTEST_PART = 1024  # elements of a channel: four a thread
_SIDE_BY_SIDE = 32  # channels to a block where planes are smaller than that


def _optional(array: Array | None) -> Array | None:
    return None if array is None else dense(array)


def _sizes(x: Any) -> tuple[int, int, int]:
    """(images, channels, elements of a plane) of the shape (N, C, …)."""
    images, channels, *plane = x
    size = 1
    for length in plane:
        size *= length
    return (images, channels, size) if size else (0, channels, 1)


def _parts(images: int, channels: int, plane: int) -> tuple[int, int]:
    """In how many parts a channel is summed so that all fill the GPU twice; channels to a block."""
    columns = _SIDE_BY_SIDE if plane < _SIDE_BY_SIDE else 1
    blocks = -(-channels // columns)
    count = images * plane // (_SHORTEST_PART // columns)
    return max(1, min(2 * processors() // max(1, blocks), count)), columns


def _partial(kernel: str, sums: int, shape: Any, *args: Any) -> Array:
    """What a kernel finds of each part of each channel: (parts, sums, channels)."""
    images, channels, plane = _sizes(shape)
    check_count(kernel, "a channel", images * plane)
    parts, columns = _parts(images, channels, plane)
    found = cp.empty((parts, sums, channels), args[0].dtype)
    launch(
        "norm", f"{kernel}_{suffix(found.dtype)}", -(-channels // columns) * parts,
        *args, found, images, channels, plane, parts, columns,
    )  # fmt: skip
    return found


def _total(parts: Array) -> Array:
    """The parts added in order."""
    if len(parts) == 1:
        return parts[0]
    total = cp.empty(parts.shape[1:], parts.dtype)
    add_parts(parts, total)
    return total


def _elementwise(
    kernel: str,
    out: Array,
    images: tuple[Array, ...],
    channels: tuple[Array | None, ...],
    *how: int,
) -> None:
    """Run a kernel on `images`, of out's shape (N, C, …), and arrays of `channels`, in launches of as
    many images as it counts in 32 bits.
    """
    _, c, plane = _sizes(out.shape)
    for part in runs(kernel, "an image", len(out), c * plane):
        inputs, result = [array[part] for array in images], out[part]
        launch(
            "norm", f"{kernel}_{suffix(out.dtype)}", threads_for(result.size),
            *inputs, *channels, result, result.size, c, plane, *how,
        )  # fmt: skip


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, relu: bool = False
) -> tuple[Array, Array, Array, Array]:
    """(x - mean) / sqrt(variance + eps) weight + bias."""
    check_floats("batch_norm", x=x, weight=weight, bias=bias)
    x, weight, bias = dense(x), _optional(weight), _optional(bias)
    images, channels, plane = _sizes(x.shape)
    _check_channels("batch_norm", channels, weight=weight, bias=bias)
    moments = _partial("channel_moments", 2, x.shape, x)
    mean, variance, root = (cp.empty(channels, x.dtype) for _ in range(3))
    launch(
        "norm", f"merge_moments_{suffix(x.dtype)}", threads_for(channels),
        moments, mean, variance, root, channels, images * plane, len(moments), eps,
    )  # fmt: skip
    y = cp.empty(x.shape, x.dtype)
    _elementwise("normalize", y, (x,), (mean, root, weight, bias), relu)
    return y, mean, variance, root


def batch_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    root: Array,
    relu: bool = False,
) -> tuple[Array, Array, Array]:
    """Ioffe & Szegedy 2015, section 3: the gradients of x, weight and bias."""
    check_floats(
        "batch_norm_backward", x=x, grad=grad, weight=weight, bias=bias, mean=mean, root=root
    )
    check_same_size("batch_norm_backward", x=x, grad=grad)
    grad, x, weight, bias = dense(grad), dense(x), _optional(weight), _optional(bias)
    images, channels, plane = _sizes(x.shape)
    _check_channels("batch_norm_backward", channels, weight=weight, bias=bias, mean=mean, root=root)
    known = weight, bias, dense(mean), dense(root)
    sums = _total(_partial("normalize_sums", 2, x.shape, grad, x, *known, relu))
    gx = cp.empty(x.shape, x.dtype)
    _elementwise("normalize_input", gx, (grad, x), (*known, sums), images * plane, relu)
    return gx, sums[1], sums[0]


def channel_affine(x: Array, scale: Array, shift: Array, relu: bool = False) -> Array:
    """x scale + shift."""
    check_floats("channel_affine", x=x, scale=scale, shift=shift)
    _check_channels("channel_affine", x.shape[1], scale=scale, shift=shift)
    y = cp.empty(x.shape, x.dtype)
    _elementwise("channel_affine", y, (dense(x),), (dense(scale), dense(shift)), relu)
    return y


def channel_sum(x: Array) -> Array:
    """The sum over all but the second dimension."""
    check_floats("channel_sum", x=x)
    return _total(_partial("channel_sum", 1, x.shape, dense(x), None, None))[0]


def relu_channel_sum(grad: Array, y: Array) -> tuple[Array, Array]:
    """relu's gradient, and its sum over all but the channels."""
    check_floats("relu_channel_sum", grad=grad, y=y)
    check_same_size("relu_channel_sum", grad=grad, y=y)
    gx = cp.empty(grad.shape, grad.dtype)
    sums = _partial("channel_sum", 1, grad.shape, dense(grad), dense(y), gx)
    return gx, _total(sums)[0]


def layer_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(variance + eps) weight + bias along each row."""
    check_floats("layer_norm", x=x, weight=weight, bias=bias)
    rows, length = x.shape
    _check_channels("layer_norm", length, weight=weight, bias=bias)
    y = cp.empty(x.shape, x.dtype)
    mean, root = (cp.empty(rows, x.dtype) for _ in range(2))
    launch(
        "norm", f"layer_norm_{suffix(x.dtype)}", threads_for(256 * rows),
        dense(x), _optional(weight), _optional(bias), y, mean, root, rows, length, eps,
    )  # fmt: skip
    return y, mean, root


def layer_norm_backward(
    grad: Array, x: Array, weight: Array | None, mean: Array, root: Array
) -> tuple[Array, Array, Array]:
    """Ba, Kiros & Hinton 2016, section 3: the gradients of x, weight and bias."""
    check_floats("layer_norm_backward", x=x, grad=grad, weight=weight, mean=mean, root=root)
    check_same_size("layer_norm_backward", x=x, grad=grad)
    grad, x, mean, root = dense(grad), dense(x), dense(mean), dense(root)
    rows, length = x.shape
    _check_channels("layer_norm_backward", length, weight=weight)
    _check_channels("layer_norm_backward", rows, mean=mean, root=root)
    gx = cp.empty(x.shape, x.dtype)
    launch(
        "norm", f"layer_norm_input_{suffix(x.dtype)}", threads_for(256 * rows),
        grad, x, _optional(weight), mean, root, gx, rows, length,
    )  # fmt: skip
    sums = _total(_partial("layer_norm_sums", 2, x.shape, grad, x, mean, root))
    return gx, sums[1], sums[0]


def _check_channels(where: str, channels: int, **arrays: Array | None) -> None:
    for name, array in arrays.items():
        if array is not None and array.shape != (channels,):
            raise ValueError(f"{where}: {name} is {array.shape} but must be {(channels,)}")
