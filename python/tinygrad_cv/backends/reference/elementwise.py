"""Activations and sums over channels in plain NumPy, formula by formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.philox import uniforms
from tinygrad_cv.backends.reference.arrays import check_floats

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

_erfc = np.frompyfunc(math.erfc, 1, 1)


def _sigmoid(x: Array) -> Array:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def _normal_below(x: Array) -> Array:
    """The share of the standard normal distribution below x."""
    return np.asarray(_erfc(-x * math.sqrt(0.5)), x.dtype) / 2


def _inner(x: Array) -> Array:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _values(name: str, x: Array, alpha: float) -> Array:
    if name == "relu":
        return np.maximum(x, 0)
    if name == "relu6":
        return np.clip(x, 0, 6)
    if name == "leaky_relu":
        return np.where(x > 0, x, x * alpha)
    if name == "sigmoid":
        return _sigmoid(x)
    if name == "tanh":
        return np.tanh(x)
    if name == "exp":
        return np.exp(x)
    if name == "silu":
        return x * _sigmoid(x)
    if name == "gelu":
        return x * _normal_below(x)
    if name == "gelu_tanh":
        return x * (1 + np.tanh(_inner(x))) / 2
    raise ValueError(
        "activation: name must be one of relu, relu6, leaky_relu, sigmoid, tanh, exp, silu, "
        f"gelu, gelu_tanh, got {name!r}"
    )


def _slopes(name: str, saved: Array, alpha: float) -> Array:
    x = y = saved
    if name == "leaky_relu":
        return np.where(x > 0, 1, alpha)
    if name == "sigmoid":
        return y * (1 - y)
    if name == "tanh":
        return 1 - y * y
    if name == "exp":
        return y
    if name == "silu":
        s = _sigmoid(x)
        return s * (1 + x * (1 - s))
    if name == "gelu":
        return _normal_below(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    t = np.tanh(_inner(x))
    return (1 + t) / 2 + x * (1 - t * t) / 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


def activation(name: str, x: Array, alpha: float = 0.0) -> Array:
    """y = f(x)."""
    check_floats("activation", x=x)
    with np.errstate(all="ignore"):  # as the kernels: no warning
        return _values(name, x, alpha).astype(x.dtype)


def activation_backward(name: str, grad: Array, saved: Array, alpha: float = 0.0) -> Array:
    """grad f'(x)."""
    check_floats("activation_backward", grad=grad, saved=saved)
    with np.errstate(all="ignore"):
        if name == "relu":
            return np.where(saved <= 0, 0, grad).astype(grad.dtype)
        if name == "relu6":
            return np.where((saved <= 0) | (saved >= 6), 0, grad).astype(grad.dtype)
        return (grad * _slopes(name, saved, alpha)).astype(grad.dtype)


def add_relu(a: Array, b: Array) -> Array:
    """max(a + b, 0)."""
    check_floats("add_relu", a=a, b=b)
    with np.errstate(all="ignore"):
        return np.maximum(a + b, 0)


def dropout(x: Array, draws: Array | int, p: float) -> Array:
    """x / (1 - p) where draws >= p, else 0 x."""
    if isinstance(draws, int):
        draws = uniforms(draws, x.shape, x.dtype)
    check_floats("dropout", x=x, draws=draws)
    with np.errstate(invalid="ignore"):  # 0 times infinity
        return (x * np.where(draws >= p, 1 / (1 - p), 0)).astype(x.dtype)


def channel_sum(x: Array) -> Array:
    """The sum over all but the second dimension."""
    check_floats("channel_sum", x=x)
    return x.sum(axis=(0, *range(2, x.ndim)))


def relu_channel_sum(grad: Array, y: Array) -> tuple[Array, Array]:
    """relu's gradient, and its sum over all but the channels."""
    gx = activation_backward("relu", grad, y)
    return gx, channel_sum(gx)
