"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from tinygrad_cv.engine import promotion
from tinygrad_cv.engine.tensor import Tensor, from_numpy
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.gates import matmul as gates


def _operands(where: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    a, b = (x if isinstance(x, Tensor) else from_numpy(x) for x in (a, b))
    if a.array.dtype != b.array.dtype:
        a, b = promotion.promote(a, b)
    if a.array.dtype.kind != "f":
        raise TypeError(f"{where}: expected floats, got {a.dtype}; use .float() first")
    return a, b


@tensor_method("__matmul__", ufunc="matmul")
def matmul(input: Any, other: Any) -> Tensor:
    """Matrix product; vectors count as a row on the left, a column on the right.

    Parameters
    ----------
    input : Tensor, shape (..., M, K) or (K,)
    other : Tensor, shape (..., K, N) or (K,)
        Leading dimensions broadcast.

    Raises
    ------
    ValueError
        Inner lengths that differ, or a 0-d operand.
    """
    a, b = _operands("matmul", input, other)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}: both need a dimension")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: input {a.shape} has {a.shape[-1]} columns but other {b.shape} has "
            f"{b.shape[-2 if b.ndim > 1 else 0]} rows"
        )
    left = a if a.ndim > 1 else a.reshape(1, -1)
    right = b if b.ndim > 1 else b.reshape(-1, 1)
    out = gates.Matmul()(left, right)
    if a.ndim > 1 and b.ndim > 1:
        return out
    shape = out.shape
    if a.ndim == 1:
        shape = (*shape[:-2], shape[-1])
    if b.ndim == 1:
        shape = shape[:-1]
    return out.reshape(shape)


Tensor.__rmatmul__ = lambda self, other: matmul(other, self)  # type: ignore[method-assign]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input W^T + b: the scores of a fully connected layer.

    Parameters
    ----------
    input : Tensor, shape (..., I)
    weight : Tensor, shape (O, I)
    bias : Tensor, shape (O,), optional

    Returns
    -------
    Tensor, shape (..., O)

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    if weight.ndim != 2:
        raise ValueError(f"linear: weight must have shape (out, in), got {weight.shape}")
    if not input.ndim or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input {input.shape} has {input.shape[-1] if input.ndim else 'no'} features "
            f"but weight {weight.shape} expects {weight.shape[1]}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f"linear: bias has shape {bias.shape} but weight {weight.shape} expects "
            f"({weight.shape[0]},)"
        )
    input, weight = _operands("linear", input, weight)
    rows = input if input.ndim == 2 else input.reshape(-1, input.shape[-1])
    if bias is None:
        out = gates.Linear()(rows, weight)
    else:
        if bias.array.dtype != rows.array.dtype:
            raise TypeError(f"linear: bias is {bias.dtype} but input {rows.dtype}")
        out = gates.Linear()(rows, weight, bias)
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], weight.shape[0])
