"""Softmax and cross-entropy by the C++ kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def log_softmax(x: Array) -> Array:
    return _core.log_softmax(dense(x))


def log_softmax_backward(grad: Array, y: Array) -> Array:
    return _core.log_softmax_backward(dense(grad), dense(y))


def cross_entropy(
    x: Array, target: Array, weight: Array | None, ignore_index: int
) -> tuple[Array, Array, Array]:
    if weight is not None:
        weight = dense(weight)
    return _core.cross_entropy(dense(x), dense(target), weight, ignore_index)


def cross_entropy_backward(
    grad: Array, p: Array, target: Array, ignore_index: int, factor: Array
) -> Array:
    return _core.cross_entropy_backward(
        dense(grad), dense(p), dense(target), ignore_index, dense(factor)
    )
