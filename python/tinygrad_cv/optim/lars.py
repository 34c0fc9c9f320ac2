"""Layer-wise adaptive rate scaling, for batches of thousands of images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.optim.optimizer import Array, Group, Optimizer, State, check_range, zeros_once


class LARS(Optimizer):
    """r = κ |w| / (|∇L| + λ |w|);  v ← μ v + η r (∇L + λ w);  w ← w - v.

    Each tensor's step is in proportion to its own length. Tensors of one dimension (biases, the
    parameters of normalisation layers) have r = 1 and no weight decay, as have tensors of zeros r.

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        What to learn; dicts are groups with options of their own.
    lr : float
        η, the global step size.
    momentum : float
        μ.
    weight_decay : float
        λ.
    trust_coefficient : float
        κ.
    maximize : bool
        Go up instead of down.

    Raises
    ------
    ValueError
        An option below 0, or an empty list of parameters.

    References
    ----------
    You et al. 2017, "Large batch training of convolutional networks", algorithm 1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        check_range("LARS", group, ("lr", "momentum", "weight_decay", "trust_coefficient"))

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        decay = group["weight_decay"] if w.ndim > 1 else 0.0
        rate = group["lr"] * (self._trust(w, g, decay, group) if w.ndim > 1 else 1.0)
        if group["maximize"]:
            g = -g
        if decay:
            g = g + decay * w
        zeros_once(state, w, "momentum_buffer")
        v = state["momentum_buffer"]
        v *= group["momentum"]
        v += rate * g
        w -= v

    def _trust(self, w: Array, g: Array, decay: float, group: Group) -> Any:
        """r, on a GPU as an array of one number, for which the host does not wait."""
        length, slope = _norm(w), _norm(g)
        below = slope + decay * length
        coefficient = group["trust_coefficient"]
        if on_gpu(below):
            trust = np.where((length == 0) | (below == 0), 1.0, coefficient * length / below)
            return trust.astype(w.dtype)
        return coefficient * length / below if length and below else 1.0


def _norm(array: Array) -> Any:
    flat = array.ravel()
    square = flat @ flat
    return np.sqrt(square.astype(np.float64)) if on_gpu(square) else math.sqrt(float(square))
