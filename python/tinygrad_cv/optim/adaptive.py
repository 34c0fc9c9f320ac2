"""Steps scaled parameter by parameter with what the gradients were: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.optim.adam import root_of
from tinygrad_cv.optim.optimizer import (
    Array,
    Group,
    Optimizer,
    State,
    check_range,
    zeros_once,
)


class Adagrad(Optimizer):
    """c ← c + g²;  w ← w - η g / (sqrt(c) + ε).

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        What to learn; dicts are groups with options of their own.
    lr : float
        η; the t-th step, t from 1, is of lr / (1 + (t - 1) lr_decay).
    lr_decay : float
    weight_decay : float
        λ: g is ∇L + λ w.
    initial_accumulator_value : float
        What c starts from.
    eps : float
        ε.
    maximize : bool
        Go up instead of down.

    Raises
    ------
    ValueError
        An option below 0, or an empty list of parameters.

    References
    ----------
    Duchi et al. 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization".
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        check_range("Adagrad", group, names)

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        g = self.descent(w, g, group)
        if "sum" not in state:
            state["sum"] = np.full_like(w, group["initial_accumulator_value"])
        t = state["step"] = int(state.get("step", 0)) + 1
        step = self.scratch(w)
        state["sum"] += np.multiply(g, g, out=step)
        np.divide(g, root_of(state["sum"], 1.0, group["eps"], step), out=step)
        step *= group["lr"] / (1 + (t - 1) * group["lr_decay"])
        w -= step


class RMSprop(Optimizer):
    """c ← d c + (1 - d) g²;  w ← w - η g / (sqrt(c) + ε).

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        What to learn; dicts are groups with options of their own.
    lr : float
        η, the step size.
    alpha : float
        d, in [0, 1): the decay rate.
    eps : float
        ε.
    weight_decay : float
        λ: g is ∇L + λ w.
    momentum : float
        μ: b ← μ b + g / (sqrt(c) + ε);  w ← w - η b.
    centered : bool
        Subtract the square of the running mean of g from c: its variance.
    maximize : bool
        Go up instead of down.

    Raises
    ------
    ValueError
        An option out of range, or an empty list of parameters.

    References
    ----------
    Tieleman & Hinton 2012, lecture 6.5 of "Neural networks for machine learning". Graves 2013,
    "Generating sequences with recurrent neural networks" (centered).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        check_range("RMSprop", group, ("lr", "eps", "weight_decay", "momentum"), ("alpha",))

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        alpha = group["alpha"]
        g = self.descent(w, g, group)
        zeros_once(state, w, "square_avg")
        c, step = state["square_avg"], self.scratch(w)
        running_square(c, g, alpha, step)
        if group["centered"]:
            zeros_once(state, w, "grad_avg")
            mean = state["grad_avg"]
            np.subtract(g, mean, out=step)
            step *= 1 - alpha
            mean += step
            np.multiply(mean, mean, out=step)
            c = np.subtract(c, step, out=step)
        np.divide(g, root_of(c, 1.0, group["eps"], step), out=step)
        if group["momentum"]:
            zeros_once(state, w, "momentum_buffer")
            b = state["momentum_buffer"]
            b *= group["momentum"]
            b += step
            np.multiply(b, group["lr"], out=step)
        else:
            step *= group["lr"]
        w -= step


class Adadelta(Optimizer):
    """c ← r c + (1 - r) g²;  s = g sqrt(d + ε) / sqrt(c + ε);  d ← r d + (1 - r) s²;  w ← w - η s.

    Steps have the units of w, whence no step size need be chosen (η is 1).

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        What to learn; dicts are groups with options of their own.
    lr : float
        η.
    rho : float
        r, in [0, 1).
    eps : float
        ε.
    weight_decay : float
        λ: g is ∇L + λ w.
    maximize : bool
        Go up instead of down.

    Raises
    ------
    ValueError
        An option out of range, or an empty list of parameters.

    References
    ----------
    Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        check_range("Adadelta", group, ("lr", "eps", "weight_decay"), ("rho",))

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        rho, eps = group["rho"], group["eps"]
        g = self.descent(w, g, group)
        zeros_once(state, w, "square_avg", "acc_delta")
        c, d = state["square_avg"], state["acc_delta"]
        step, below = self.scratch(w), self.scratch(w, 2)
        running_square(c, g, rho, step)
        np.sqrt(np.add(d, eps, out=step), out=step)
        step /= np.sqrt(np.add(c, eps, out=below), out=below)
        step *= g
        running_square(d, step, rho, below)
        step *= group["lr"]
        w -= step


def running_square(mean: Array, x: Array, decay: float, out: Array) -> None:
    """mean ← decay mean + (1 - decay) x²; `out` is written over."""
    np.multiply(x, x, out=out)
    out *= 1 - decay
    mean *= decay
    mean += out
