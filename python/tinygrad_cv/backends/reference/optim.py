"""Steps of optimizers in plain NumPy, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def _direction(w: Array, grad: Array, decay: float, maximize: bool) -> Array:
    d = -grad if maximize else grad
    return d + decay * w if decay else d


def sgd_step(
    w: Array,
    grad: Array,
    velocity: Array | None,
    lr: float,
    momentum: float,
    keep: float,
    decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """Gradient descent with momentum."""
    d = _direction(w, grad, decay, maximize)
    if velocity is None:
        w -= lr * d
        return
    velocity *= momentum
    velocity += keep * d
    w -= lr * (d + momentum * velocity if nesterov else velocity)


def adam_step(
    w: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None,
    beta1: float,
    beta2: float,
    step: float,
    divisor: float,
    eps: float,
    decay: float,
    shrink: float,
    maximize: bool,
) -> None:
    """Kingma & Ba 2014, algorithm 1."""
    w *= shrink
    d = _direction(w, grad, decay, maximize)
    exp_avg += (1 - beta1) * (d - exp_avg)
    exp_avg_sq *= beta2
    exp_avg_sq += (1 - beta2) * d * d
    v = exp_avg_sq
    if max_exp_avg_sq is not None:
        v = np.maximum(max_exp_avg_sq, v, out=max_exp_avg_sq)
    w -= step * exp_avg / (np.sqrt(v) / divisor + eps)
