"""Adam and its kin: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cv.optim.optimizer import (
    Array,
    Group,
    Optimizer,
    State,
    check_betas,
    check_range,
    room_of,
    zeros_once,
)


class Adam(Optimizer):
    """m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;  w ← w - η m' / (sqrt(v') + ε).

    m' = m / (1 - β1^t) and v' = v / (1 - β2^t), t from 1, make up for the start at zero.

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        What to learn; dicts are groups with options of their own.
    lr : float
        η, the step size.
    betas : pair of float
        β1 and β2, each in [0, 1).
    eps : float
        ε.
    weight_decay : float
        λ: g is ∇L + λ w.
    amsgrad : bool
        Divide by the largest v so far, not the present one.
    maximize : bool
        Go up instead of down.
    bias_correction : bool
        False: m and v themselves stand for m' and v'.
    decoupled_weight_decay : bool
        g is ∇L, and w shrinks by the factor 1 - η λ before the step, as in `AdamW`.

    Raises
    ------
    ValueError
        An option out of range, or an empty list of parameters.

    References
    ----------
    Kingma & Ba 2014, "Adam: a method for stochastic optimization", algorithm 1. Reddi et al. 2018,
    "On the convergence of Adam and beyond" (amsgrad).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "bias_correction": bias_correction,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        where = type(self).__name__
        check_range(where, group, ("lr", "eps", "weight_decay"))
        check_betas(where, group)

    def heeds_skip(self) -> bool:
        return type(self).update is Adam.update

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
        zeros_once(state, w, "exp_avg", "exp_avg_sq")
        top = None
        if group["amsgrad"]:
            zeros_once(state, w, "max_exp_avg_sq")
            top = state["max_exp_avg_sq"]
        shrink = 1.0
        if group["decoupled_weight_decay"]:
            shrink, decay = 1 - lr * decay, 0.0
        state["step"] = room_of(w).adam_step_counted(
            self.skip, state.get("step", 0), w, g, state["exp_avg"], state["exp_avg_sq"], top,
            lr, beta1, beta2, group["eps"], decay, shrink, group["bias_correction"],
            group["maximize"],
        )  # fmt: skip


class AdamW(Adam):
    """`Adam` whose weight decay shrinks the parameters themselves: w ← w (1 - η λ), then the step.

    The parameters are `Adam`'s, with another default for `weight_decay`.

    References
    ----------
    Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            bias_correction=bias_correction,
            decoupled_weight_decay=True,
        )


class NAdam(Optimizer):
    """`Adam` with Nesterov's look ahead: the step mixes m with the gradient itself.

    μ_t = β1 (1 - 0.96^(t ψ) / 2);
    w ← w - η ((1 - μ_t) g / (1 - Π μ) + μ_{t+1} m / (1 - Π μ μ_{t+1})) / (sqrt(v') + ε).

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, maximize, decoupled_weight_decay
        As `Adam`.
    momentum_decay : float
        ψ.

    References
    ----------
    Dozat 2016, "Incorporating Nesterov momentum into Adam".
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        check_range("NAdam", group, ("lr", "eps", "weight_decay", "momentum_decay"))
        check_betas("NAdam", group)

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        (beta1, beta2), lr, decay = group["betas"], group["lr"], group["momentum_decay"]
        step = self.scratch(w)
        g = decayed(self, w, g, group)
        t = advance_moments(w, g, state, beta1, beta2, step)
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        np.multiply(g, lr * (1 - mu) / (1 - product), out=step)
        ahead = self.scratch(w, 2)
        step += np.multiply(state["exp_avg"], lr * mu_next / (1 - product * mu_next), out=ahead)
        step /= root_of(state["exp_avg_sq"], math.sqrt(1 - beta2**t), group["eps"], ahead)
        w -= step


def decayed(optimizer: Optimizer, w: Array, g: Array, group: Group) -> Array:
    """The gradient with weight decay in it; if it is decoupled, `w` itself shrinks."""
    if not group["decoupled_weight_decay"]:
        return optimizer.descent(w, g, group)
    w *= 1 - group["lr"] * group["weight_decay"]
    return optimizer.descent(w, g, {**group, "weight_decay": 0})


def advance_moments(
    w: Array, g: Array, state: State, beta1: float, beta2: float, step: Array
) -> int:
    """m and v of one more gradient; returns how many there were. `step` is written over."""
    zeros_once(state, w, "exp_avg", "exp_avg_sq")
    t: int = int(state.get("step", 0)) + 1
    state["step"] = t
    m, v = state["exp_avg"], state["exp_avg_sq"]
    np.subtract(g, m, out=step)
    step *= 1 - beta1
    m += step
    np.multiply(g, g, out=step)
    step *= 1 - beta2
    v *= beta2
    v += step
    return t


def root_of(v: Array, divisor: float, eps: float, out: Array) -> Array:
    """sqrt(v) / divisor + eps, written to `out`."""
    np.sqrt(v, out=out)
    if divisor != 1.0:
        out /= divisor
    out += eps
    return out
