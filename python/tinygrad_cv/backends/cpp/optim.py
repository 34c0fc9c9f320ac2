"""Steps of optimizers by the C++ kernels, in place; what is not dense is copied and written back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.bias_correction import bias_correction
from tinygrad_cv.backends.cpp.arrays import dense
from tinygrad_cv.backends.reference.optim import unscale as unscale
from tinygrad_cv.backends.reference.optim import update_scale as update_scale

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def _write_back(*pairs: tuple[Array | None, Array | None]) -> None:
    for array, own in pairs:
        if own is not array and array is not None:
            array[...] = own


def _dense(array: Array | None) -> Array | None:
    return None if array is None else dense(array)


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
    if skip:
        return
    own, speed = dense(w), _dense(velocity)
    _core.sgd_step(own, dense(grad), speed, lr, momentum, keep, decay, nesterov, maximize)
    if own is not w or speed is not velocity:
        _write_back((w, own), (velocity, speed))


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
    own, mean, square, most = dense(w), dense(exp_avg), dense(exp_avg_sq), _dense(max_exp_avg_sq)
    _core.adam_step(
        own,
        dense(grad),
        mean,
        square,
        most,
        beta1,
        beta2,
        step,
        divisor,
        eps,
        decay,
        shrink,
        maximize,
    )
    _write_back((w, own), (exp_avg, mean), (exp_avg_sq, square), (max_exp_avg_sq, most))


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
    if skip:
        return taken
    t = int(taken) + 1
    step, divisor = bias_correction(lr, beta1, beta2, t, corrected)
    moments = exp_avg, exp_avg_sq, max_exp_avg_sq
    adam_step(w, grad, *moments, beta1, beta2, step, divisor, eps, decay, shrink, maximize)
    return t
