"""Derivatives under PyTorch's name: ``tg.autograd.grad``, ``tg.autograd.Function`` and their kin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine import derivatives as functional
from tinygrad_cv.engine.anomaly import detect_anomaly
from tinygrad_cv.engine.backprop import grad
from tinygrad_cv.engine.checkpoint import checkpoint
from tinygrad_cv.engine.derivatives import hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_cv.engine.function import Function
from tinygrad_cv.engine.gate import Gate
from tinygrad_cv.engine.grad_mode import enable_grad, no_grad, set_grad_enabled
from tinygrad_cv.testing.gradients import gradcheck, gradgradcheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.tensor import Tensor

# So that `from tinygrad_cv.autograd.functional import jacobian` finds the one module that there is.
sys.modules[f"{__name__}.functional"] = functional

__all__ = [
    "Function",
    "Gate",
    "backward",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "set_grad_enabled",
    "value_and_grad",
    "vjp",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the gradients of the sum of `tensors` to the ``.grad`` of every leaf.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
    grad_tensors : Tensor or sequence of Tensor, optional
        The gradient of the final output with respect to each of `tensors`; may be left out (or
        None) for those of one element.
    retain_graph, create_graph
        As `Tensor.backward`.

    Raises
    ------
    ValueError
        Not as many gradients as tensors.
    RuntimeError
        As `Tensor.backward`.
    """
    many = tensors if isinstance(tensors, (tuple, list)) else (tensors,)
    given: Any = grad_tensors if isinstance(grad_tensors, (tuple, list)) else (grad_tensors,)
    if grad_tensors is None:
        given = (None,) * len(many)
    if len(given) != len(many):
        raise ValueError(f"backward: {len(many)} tensors but {len(given)} grad_tensors")
    for position, (tensor, upstream) in enumerate(zip(many, given, strict=True)):
        last = position == len(many) - 1
        tensor.backward(upstream, True if not last else retain_graph, create_graph)
