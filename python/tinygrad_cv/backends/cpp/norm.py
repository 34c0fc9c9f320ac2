"""Normalisation of channels by the C++ kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense

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
