"""How losses become one number, and the checks that they share."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor

_REDUCTIONS = ("mean", "sum", "none")


def check_reduction(where: str, reduction: str) -> None:
    """Raise ValueError for an unknown reduction."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{where}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The loss as it is, its sum or its mean; the mean of nothing is NaN."""
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.mean()


def floats_of(where: str, **inputs: Any) -> tuple[Tensor, ...]:
    """The inputs with their common dtype; raises TypeError unless that is a float."""
    for name, x in inputs.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"{where}: {name} must be a Tensor, got {type(x).__name__}")
    dtype = np.result_type(
        *[x.array.dtype for x in inputs.values() if x.array.dtype.kind == "f"] or [np.int64]
    )
    if dtype.kind != "f":
        shown = ", ".join(f"{name} {x.dtype}" for name, x in inputs.items())
        raise TypeError(f"{where}: expected floats, got {shown}")
    return tuple([x.to(dtype) for x in inputs.values()])


def check_broadcast(where: str, input: Tensor, target: Tensor) -> None:
    """Shapes that differ but broadcast get PyTorch's warning, others a ValueError."""
    if input.shape == target.shape:
        return
    try:
        shape = np.broadcast_shapes(input.shape, target.shape)
    except ValueError as error:
        raise ValueError(
            f"{where}: input has shape {input.shape} but target {target.shape}; they must be equal"
        ) from error
    warnings.warn(
        f"{where}: target has shape {target.shape} but input {input.shape}; both are broadcast to "
        f"{shape}, which is seldom meant",
        UserWarning,
        stacklevel=3,
    )


def check_same_shape(where: str, input: Tensor, target: Tensor) -> None:
    """Raise ValueError unless input and target have one shape."""
    if input.shape != target.shape:
        raise ValueError(f"{where}: input has shape {input.shape} but target {target.shape}")
