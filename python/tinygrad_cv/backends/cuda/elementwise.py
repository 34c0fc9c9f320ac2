"""Elementwise functions on the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp

from tinygrad_cv.backends.cuda.arrays import check_floats, check_same_size, dense
from tinygrad_cv.backends.cuda.launch import launch, suffix, threads_for

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["activation", "activation_backward", "add_relu", "dropout"]

# In the order of csrc/cuda/elementwise.cu.
_NAMES = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "exp", "silu", "gelu", "gelu_tanh")


def _number(name: str) -> int:
    if name not in _NAMES:
        raise ValueError(f"activation: name must be one of {', '.join(_NAMES)}, got {name!r}")
    return _NAMES.index(name)


def activation(name: str, x: Array, alpha: float = 0.0) -> Array:
    """y = f(x)."""
    check_floats("activation", x=x)
    y = cp.empty(x.shape, x.dtype)
    launch(
        "elementwise", f"activation_{suffix(x.dtype)}", threads_for(x.size),
        dense(x), y, x.size, _number(name), alpha,
    )  # fmt: skip
    return y


def activation_backward(name: str, grad: Array, saved: Array, alpha: float = 0.0) -> Array:
    """grad f'(x)."""
    check_floats("activation_backward", grad=grad, saved=saved)
    check_same_size("activation_backward", grad=grad, saved=saved)
    gx = cp.empty(grad.shape, grad.dtype)
    launch(
        "elementwise", f"activation_backward_{suffix(grad.dtype)}", threads_for(grad.size),
        dense(grad), dense(saved), gx, grad.size, _number(name), alpha,
    )  # fmt: skip
    return gx


def add_relu(a: Array, b: Array) -> Array:
    """max(a + b, 0)."""
    check_floats("add_relu", a=a, b=b)
    check_same_size("add_relu", a=a, b=b)
    y = cp.empty(a.shape, a.dtype)
    launch(
        "elementwise", f"add_relu_{suffix(a.dtype)}", threads_for(a.size),
        dense(a), dense(b), y, a.size,
    )  # fmt: skip
    return y


def dropout(x: Array, draws: Array | int, p: float) -> Array:
    """x / (1 - p) where draws >= p, else 0 x; with a key the kernel draws by itself."""
    check_floats("dropout", x=x)
    key, given = (draws, None) if isinstance(draws, int) else (0, dense(draws))
    if given is not None:
        check_floats("dropout", x=x, draws=given)
        check_same_size("dropout", x=x, draws=given)
    y = cp.empty(x.shape, x.dtype)
    launch(
        "elementwise", f"dropout_{suffix(x.dtype)}", threads_for(-(-x.size // 4)),
        dense(x), given, y, x.size, key, p, 1 / (1 - p),
    )  # fmt: skip
    return y
