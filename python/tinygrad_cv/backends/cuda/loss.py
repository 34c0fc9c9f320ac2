"""Softmax and cross-entropy on the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp

from tinygrad_cv.backends.cuda.arrays import check_floats, check_same_size, dense
from tinygrad_cv.backends.cuda.launch import launch, suffix, threads_for

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["cross_entropy", "cross_entropy_backward", "log_softmax", "log_softmax_backward"]


def log_softmax(x: Array) -> Array:
    """x - log Σ exp(x) along the last dimension."""
    check_floats("log_softmax", x=x)
    y = cp.empty(x.shape, x.dtype)
    rows = x.size // max(x.shape[-1], 1)
    name = f"log_softmax_{suffix(x.dtype)}"
    launch("loss", name, threads_for(rows), dense(x), y, rows, x.shape[-1])
    return y


def log_softmax_backward(grad: Array, y: Array) -> Array:
    """grad - exp(y) Σ grad along the last dimension."""
    check_floats("log_softmax_backward", grad=grad, y=y)
    check_same_size("log_softmax_backward", grad=grad, y=y)
    gx = cp.empty(y.shape, y.dtype)
    rows = y.size // max(y.shape[-1], 1)
    name = f"log_softmax_backward_{suffix(y.dtype)}"
    launch("loss", name, threads_for(rows), dense(grad), dense(y), gx, rows, y.shape[-1])
    return gx


def cross_entropy(
    x: Array, target: Array, weight: Array | None, ignore_index: int
) -> tuple[Array, Array, Array]:
    """Loss, factor and softmax of each row."""
    check_floats("cross_entropy", x=x, weight=weight)
    rows, classes = x.shape
    if target.shape != (rows,) or (weight is not None and weight.shape != (classes,)):
        raise ValueError(f"cross_entropy: target is {target.shape} but x is {x.shape}")
    loss, factor = cp.empty(rows, x.dtype), cp.empty(rows, x.dtype)
    p = cp.empty(x.shape, x.dtype)
    launch(
        "loss", f"cross_entropy_{suffix(x.dtype)}", threads_for(rows),
        dense(x), dense(target), None if weight is None else dense(weight), loss, factor, p,
        rows, classes, ignore_index,
    )  # fmt: skip
    return loss, factor, p


def cross_entropy_backward(
    grad: Array, p: Array, target: Array, ignore_index: int, factor: Array
) -> Array:
    """grad factor (softmax - onehot), with a gradient for each row or one for all."""
    check_floats("cross_entropy_backward", grad=grad, p=p, factor=factor)
    rows, classes = p.shape
    if target.shape != (rows,) or factor.shape != (rows,) or grad.shape not in ((), (rows,)):
        raise ValueError(f"cross_entropy_backward: grad is {grad.shape} but p is {p.shape}")
    gx = cp.empty(p.shape, p.dtype)
    launch(
        "loss", f"cross_entropy_backward_{suffix(p.dtype)}", threads_for(p.size),
        dense(grad), dense(p), dense(target), dense(factor), gx, rows, classes, ignore_index,
        grad.ndim,
    )  # fmt: skip
    return gx
