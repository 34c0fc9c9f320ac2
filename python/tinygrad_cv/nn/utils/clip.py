"""Limits on gradients, in place, between ``backward`` and the optimizer's step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import memory
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
    factor = float(max_norm) / (total.item() + 1e-6)
    if not factor >= 1.0:  # also when it is NaN, which a training run should see
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
    p = float(norm_type)
    norms = [_norm(array, p) for array in arrays]
    total = _norm(np.array(norms), p) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the gradients' norm is {total}; error_if_nonfinite=False lets it "
            "pass"
        )
    return wrap(np.asarray(total, dtype=arrays[0].dtype if arrays else np.float32))


def _norm(array: Any, p: float) -> float:
    flat = array.ravel()
    if not flat.size:
        return 0.0
    if p == 2.0:
        return math.sqrt(float(flat @ flat))
    sizes = np.abs(flat)
    if p == math.inf:
        return float(sizes.max())
    return float((sizes**p).sum() ** (1 / p))


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [param.grad for param in _listed(parameters) if param.grad is not None]


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)
