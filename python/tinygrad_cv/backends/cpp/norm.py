"""Normalisation of channels by the C++ kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense
from tinygrad_cv.backends.cpp.elementwise import channel_sum

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def _dense(array: Array | None) -> Array | None:
    return None if array is None else dense(array)


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, relu: bool = False
) -> tuple[Array, Array, Array, Array]:
    return _core.batch_norm(dense(x), _dense(weight), _dense(bias), eps, relu)


def batch_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    root: Array,
    relu: bool = False,
) -> tuple[Array, Array, Array]:
    return _core.batch_norm_backward(
        dense(grad), dense(x), _dense(weight), _dense(bias), dense(mean), dense(root), relu
    )


def channel_affine(x: Array, scale: Array, shift: Array, relu: bool = False) -> Array:
    return _core.channel_affine(dense(x), dense(scale), dense(shift), relu)


def layer_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Rows are the channels of one image; weight and bias run along them."""
    y, mean, _, root = _core.batch_norm(dense(x)[None], None, None, eps, False)
    y = y[0]
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y, mean, root


def layer_norm_backward(
    grad: Array, x: Array, weight: Array | None, mean: Array, root: Array
) -> tuple[Array, Array, Array]:
    inner = dense(grad if weight is None else grad * weight)
    arrays = inner[None], dense(x)[None], None, None, dense(mean), dense(root)
    gx = _core.batch_norm_backward(*arrays, False)[0][0]
    standard = x - mean[:, None]
    standard *= root[:, None]
    standard *= grad
    return gx, channel_sum(standard), channel_sum(grad)
