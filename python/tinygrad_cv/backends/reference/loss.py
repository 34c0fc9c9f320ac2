"""Softmax and cross-entropy in plain NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.reference.arrays import check_floats

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def log_softmax(x: Array) -> Array:
    """x - log Σ exp(x), the largest x subtracted first."""
    check_floats("log_softmax", x=x)
    with np.errstate(all="ignore"):  # as the kernels: no warning
        shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_backward(grad: Array, y: Array) -> Array:
    """grad - softmax Σ grad."""
    check_floats("log_softmax_backward", grad=grad, y=y)
    with np.errstate(all="ignore"):
        return grad - np.exp(y) * grad.sum(axis=-1, keepdims=True)


def cross_entropy(
    x: Array, target: Array, weight: Array | None, ignore_index: int
) -> tuple[Array, Array, Array]:
    """Loss, factor and softmax of each row."""
    check_floats("cross_entropy", x=x)
    used = target != ignore_index
    classes = np.where(used, target, 0)
    scores = log_softmax(x)
    factor = np.ones(len(x), x.dtype) if weight is None else weight[classes]
    factor = np.where(used, factor, 0).astype(x.dtype)
    with np.errstate(all="ignore"):
        loss = np.where(used, -scores[np.arange(len(x)), classes] * factor, 0)
        return loss.astype(x.dtype), factor, np.exp(scores)


def cross_entropy_backward(
    grad: Array, p: Array, target: Array, ignore_index: int, factor: Array
) -> Array:
    """grad factor (softmax - onehot)."""
    check_floats("cross_entropy_backward", grad=grad, p=p, factor=factor)
    onehot = target[:, None] == np.arange(p.shape[1])
    with np.errstate(all="ignore"):
        gx = (p - onehot) * (grad * factor)[:, None]
        return np.where((target == ignore_index)[:, None], 0, gx).astype(p.dtype)
