"""Steps of optimizers in plain NumPy, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.bias_correction import bias_correction

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
    skip: Array | None = None,
) -> None:
    """Gradient descent with momentum."""
    if skip:
        return
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


def adam_step_counted(
    skip: Array | None,
    taken: Array | int,
    w: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    shrink: float,
    corrected: bool,
    maximize: bool,
) -> Array | int:
    """Adam's step number taken + 1."""
    if skip:
        return taken
    t = int(taken) + 1
    step, divisor = bias_correction(lr, beta1, beta2, t, corrected)
    moments = exp_avg, exp_avg_sq, max_exp_avg_sq
    adam_step(w, grad, *moments, beta1, beta2, step, divisor, eps, decay, shrink, maximize)
    return t


def unscale(grad: Array, scale: Array, found: Array) -> None:
    """Gradients of a scaled loss, as of the loss."""
    if not np.isfinite(grad).all():
        found[...] = 1
    grad *= np.float32(1 / np.float64(scale))


def update_scale(
    scale: Array, streak: Array, found: Array, growth: float, backoff: float, interval: int
) -> tuple[Array, Array]:
    """Less after an overflow, more after a long streak without."""
    now, length = np.float64(scale), int(streak) + 1
    if found:
        now, length = now * backoff, 0
    elif length == interval:
        now = now * growth if now * growth <= np.finfo(np.float32).max else now
        length = 0
    return np.array(now, np.float32), np.array(length, np.int32)
