"""Limits on gradients, in place, between ``backward`` and the optimizer's step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.engine.gate import zero_dim
from tinygrad_cv.engine.tensor import Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients so that their norm, all taken as one vector, is at most `max_norm`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float
        p of the p-norm; ``math.inf`` for the largest element.
    error_if_nonfinite : bool
        Raise if the norm is NaN or infinite, before any gradient is changed.

    Returns
    -------
    Tensor, shape ()
        The norm before.

    Raises
    ------
    ValueError
        A norm below 0.
    RuntimeError
        See `error_if_nonfinite`.

    References
    ----------
    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> w = tg.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = tg.tensor([3.0, 4.0])
    >>> clip_grad_norm_(w, 1.0).item(), w.grad.tolist()
    (5.0, [0.59999..., 0.79999...])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be at least 0, got {max_norm}")
    grads = _gradients(parameters)
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    factor = _factor(total, float(max_norm))
    if factor is not None:
        for grad in grads:
            grad.array *= factor
            memory.wrote(grad.array)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Cut every element of the gradients off at plus and minus `clip_value`.

    Raises
    ------
    ValueError
        A value below 0.
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value must be at least 0, got {clip_value}")
    for grad in _gradients(parameters):
        np.clip(grad.array, -clip_value, clip_value, out=grad.array)
        memory.wrote(grad.array)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all the tensors taken as one vector; see `clip_grad_norm_`."""
    arrays = [tensor.array for tensor in _listed(tensors)]
    if not arrays:
        return wrap(np.zeros((), np.float32))
    p = float(norm_type)
    total = _norm(np.stack([_norm(array, p) for array in arrays]), p)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the gradients' norm is {float(total)}; error_if_nonfinite=False "
            "lets it pass"
        )
    return wrap(zero_dim(total.astype(arrays[0].dtype)))


def _norm(array: Any, p: float) -> Any:
    """The p-norm of all elements, one number of float64."""
    flat = array.ravel()
    if not flat.size:
        return np.zeros_like(array, np.float64, shape=())
    if p == 2.0:
        return np.sqrt((flat @ flat).astype(np.float64))
    sizes = np.abs(flat)
    if p == math.inf:
        return sizes.max().astype(np.float64)
    return ((sizes**p).sum() ** (1 / p)).astype(np.float64)


def _factor(total: Tensor, most: float) -> Any:
    """What brings a norm down to `most`; None for one that is not above it, as far as the host knows.

    NaN for NaN, which a training run should see.
    """
    if on_gpu(total.array):
        return np.minimum(most / (total.array + 1e-6), 1.0)
    factor = most / (total.item() + 1e-6)
    return None if factor >= 1.0 else factor


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [param.grad for param in _listed(parameters) if param.grad is not None]


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)
