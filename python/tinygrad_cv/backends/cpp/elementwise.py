"""Activations and sums over channels by the C++ kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense
from tinygrad_cv.backends.philox import uniforms

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def activation(name: str, x: Array, alpha: float = 0.0) -> Array:
    return _core.activation(name, dense(x), alpha)


def activation_backward(name: str, grad: Array, saved: Array, alpha: float = 0.0) -> Array:
    return _core.activation_backward(name, dense(grad), dense(saved), alpha)


def add_relu(a: Array, b: Array) -> Array:
    return _core.add_relu(dense(a), dense(b))


def dropout(x: Array, draws: Array | int, p: float) -> Array:
    if isinstance(draws, int):
        draws = uniforms(draws, x.shape, x.dtype)
    return _core.dropout(dense(x), dense(draws), p)


def channel_sum(x: Array) -> Array:
    return _core.channel_sum(dense(x))


def relu_channel_sum(grad: Array, y: Array) -> tuple[Array, Array]:
    return _core.relu_channel_sum(dense(grad), dense(y))
