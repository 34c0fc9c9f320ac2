"""Steps of optimizers on the GPU, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.backends.cuda.arrays import check_floats, check_same_size, dense
from tinygrad_cv.backends.cuda.launch import launch, suffix, threads_for

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["adam_step", "sgd_step"]


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
    check_floats("sgd_step", w=w, grad=grad, velocity=velocity)
    check_same_size("sgd_step", w=w, grad=grad, velocity=velocity)
    arrays = dense(w), dense(grad), None if velocity is None else dense(velocity)
    launch(
        "optim", f"sgd_step_{suffix(w.dtype)}", threads_for(w.size),
        *arrays, w.size, lr, momentum, keep, decay, nesterov, maximize,
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
    given = w, exp_avg, exp_avg_sq, max_exp_avg_sq
    named = dict(zip(("w", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"), given, strict=True))
    check_floats("adam_step", grad=grad, **named)
    check_same_size("adam_step", grad=grad, **named)
    w_, m, v, top = (None if x is None else dense(x) for x in given)
    launch(
        "optim", f"adam_step_{suffix(w.dtype)}", threads_for(w.size),
        w_, dense(grad), m, v, top, w.size, 1 - beta1, beta2, 1 - beta2, step, divisor, eps,
        decay, shrink, maximize,
    )  # fmt: skip
    _write_back(given, (w_, m, v, top))


def _write_back(given: tuple[Array | None, ...], changed: tuple[Array | None, ...]) -> None:
    """Into arrays that are not dense, what the kernel wrote to their dense copies."""
    for array, copy in zip(given, changed, strict=True):
        if array is not copy:
            array[...] = copy  # type: ignore[index]
