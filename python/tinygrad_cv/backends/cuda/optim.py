"""Steps of optimizers on the GPU, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp
import numpy as np

from tinygrad_cv.backends.bias_correction import bias_correction
from tinygrad_cv.backends.cuda.arrays import check_floats, check_same_size, dense
from tinygrad_cv.backends.cuda.launch import launch, suffix, threads_for

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["adam_step", "adam_step_counted", "sgd_step", "unscale", "update_scale"]


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
    check_floats("sgd_step", w=w, grad=grad, velocity=velocity)
    check_same_size("sgd_step", w=w, grad=grad, velocity=velocity)
    arrays = dense(w), dense(grad), None if velocity is None else dense(velocity)
    launch(
        "optim", f"sgd_step_{suffix(w.dtype)}", threads_for(w.size),
        *arrays, w.size, lr, momentum, keep, decay, nesterov, maximize, skip,
    )  # fmt: skip
    _write_back((w, velocity), (arrays[0], arrays[2]))


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
    given, dense_ = _state("adam_step", w, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    launch(
        "optim", f"adam_step_{suffix(w.dtype)}", threads_for(w.size),
        *dense_, w.size, 1 - beta1, beta2, 1 - beta2, step, divisor, eps, decay, shrink, maximize,
    )  # fmt: skip
    _write_back(given, dense_)


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
    """Adam's step number taken + 1; with `skip` the GPU counts."""
    if skip is None:
        t = int(taken) + 1
        step, divisor = bias_correction(lr, beta1, beta2, t, corrected)
        moments = exp_avg, exp_avg_sq, max_exp_avg_sq
        adam_step(w, grad, *moments, beta1, beta2, step, divisor, eps, decay, shrink, maximize)
        return t
    given, dense_ = _state("adam_step_counted", w, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    before = taken if isinstance(taken, cp.ndarray) else cp.full((), taken, np.int64)
    after = cp.empty((), np.int64)
    launch(
        "optim", f"adam_step_counted_{suffix(w.dtype)}", max(1, threads_for(w.size)),
        *dense_, skip, before, after, w.size, lr, beta1, beta2, eps, decay, shrink, corrected,
        maximize,
    )  # fmt: skip
    _write_back(given, dense_)
    return after


def unscale(grad: Array, scale: Array, found: Array) -> None:
    """Gradients of a scaled loss, as of the loss."""
    check_floats("unscale", grad=grad)
    own = dense(grad)
    kernel = f"unscale_{suffix(grad.dtype)}"
    launch("optim", kernel, threads_for(grad.size), own, scale, found, grad.size)
    _write_back((grad,), (own,))


def update_scale(
    scale: Array, streak: Array, found: Array, growth: float, backoff: float, interval: int
) -> tuple[Array, Array]:
    """Less after an overflow, more after a long streak without."""
    after = cp.empty((), np.float32), cp.empty((), np.int32)
    launch("optim", "update_scale", 1, scale, streak, found, *after, growth, backoff, interval)
    return after


def _state(
    where: str, w: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, top: Array | None
) -> tuple[tuple[Array | None, ...], tuple[Array | None, ...]]:
    """What a step of Adam reads and writes, checked: as it is, and dense."""
    names = ("w", "grad", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    given = w, grad, exp_avg, exp_avg_sq, top
    named = dict(zip(names, given, strict=True))
    check_floats(where, **named)
    check_same_size(where, **named)
    return given, tuple(None if x is None else dense(x) for x in given)


def _write_back(given: tuple[Array | None, ...], changed: tuple[Array | None, ...]) -> None:
    """Into arrays that are not dense, what the kernel wrote to their dense copies."""
    for array, copy in zip(given, changed, strict=True):
        if array is not copy:
            array[...] = copy  # type: ignore[index]
