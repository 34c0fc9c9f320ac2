"""Gradient descent on mini-batches, with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.optim.optimizer import Array, Group, Optimizer, State, check_range, room_of


class SGD(Optimizer):
    """g ← ∇L + λ w;  v ← μ v + (1 - τ) g;  w ← w - η v  (Nesterov: w ← w - η (g + μ v)).

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        What to learn; dicts are groups with options of their own.
    lr : float
        η, the step size.
    momentum : float
        μ; 0 is plain gradient descent.
    dampening : float
        τ; the first v is g itself.
    weight_decay : float
        λ.
    nesterov : bool
        Take the gradient at the point that momentum leads to; w is that point.
    maximize : bool
        Go up instead of down.
    formulation : {"pytorch", "textbook"}
        "textbook": v ← μ v - η g;  w ← w + v (Nesterov: w ← w - μ v_old + (1 + μ) v). The same
        path as long as η stays; when η changes, the textbook's v keeps steps of the old length,
        while PyTorch's v is rescaled at once.

    Raises
    ------
    ValueError
        An option below 0, Nesterov without momentum or with dampening, an empty list of parameters.

    References
    ----------
    CS231n notes, "Neural networks part 3", section on parameter updates. Sutskever et al. 2013,
    "On the importance of initialization and momentum in deep learning".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> w = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        formulation: str = "pytorch",
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "formulation": formulation,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        check_range("SGD", group, ("lr", "momentum", "weight_decay"))
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum above 0 and no dampening, got momentum="
                f"{group['momentum']}, dampening={group['dampening']}"
            )
        if group["formulation"] not in ("pytorch", "textbook"):
            raise ValueError(
                f"SGD: formulation must be 'pytorch' or 'textbook', got {group['formulation']!r}"
            )
        if group["formulation"] == "textbook" and group["dampening"] != 0:
            raise ValueError(
                f"SGD: the textbook's formulation has no dampening, got {group['dampening']}"
            )

    def heeds_skip(self) -> bool:
        # With dampening the first v differs, and whether there was one the GPU alone would know.
        return type(self).update is SGD.update and not any(
            group["momentum"] and (group["dampening"] or group["formulation"] == "textbook")
            for group in self.param_groups
        )

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        lr, momentum = group["lr"], group["momentum"]
        if momentum and group["formulation"] == "textbook":
            self._textbook(w, self.descent(w, g, group), state, group)
            return
        v, keep = None, 1.0
        if momentum:
            v = state.get("momentum_buffer")
            if v is None:
                v = state["momentum_buffer"] = np.zeros_like(w)
            else:
                keep = 1 - group["dampening"]
        decay, nesterov, up = group["weight_decay"], group["nesterov"], group["maximize"]
        room_of(w).sgd_step(w, g, v, lr, momentum, keep, decay, nesterov, up, self.skip)

    def _textbook(self, w: Array, g: Array, state: State, group: Group) -> None:
        momentum, step = group["momentum"], self.scratch(w)
        v = state.get("velocity")
        if v is None:
            v = state["velocity"] = g * -group["lr"]
        else:
            if group["nesterov"]:
                w -= np.multiply(v, momentum, out=step)
            v *= momentum
            v -= np.multiply(g, group["lr"], out=step)
        w += np.multiply(v, 1 + momentum, out=step) if group["nesterov"] else v
