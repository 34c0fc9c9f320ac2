"""dtypes of a result, as PyTorch has them: kinds first (bool < int < float), then sizes; numbers and
0-d tensors only count where they are of a higher kind than the arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, from_numpy, wrap

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}
FLOAT32 = np.dtype(np.float32)


def result_type(*operands: Any) -> np.dtype[Any]:
    """The dtype of an operation on tensors and Python numbers.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> result_type(tensor([1, 2]), 0.5)
    dtype('float32')
    """
    arrays: list[np.dtype[Any]] = []
    zero_dim: list[np.dtype[Any]] = []
    numbers: list[np.dtype[Any]] = []
    for x in operands:
        if hasattr(x, "dtype"):
            (arrays if x.ndim else zero_dim).append(np.dtype(x.dtype))
        else:
            kind = {bool: np.bool_, int: np.int64, float: np.float32}[type(x)]
            numbers.append(np.dtype(kind))
    result: np.dtype[Any] | None = None
    for group in (arrays, zero_dim, numbers):
        if not group:
            continue
        highest = max(group, key=lambda d: _RANK[d.kind])
        joined = _join(group)
        if result is None or _RANK[highest.kind] > _RANK[result.kind]:
            result = joined
    assert result is not None
    return result


def _join(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    floats = [d for d in dtypes if d.kind == "f"]
    if floats:  # NumPy would make float64 of int64 with float32
        return max(floats, key=lambda d: d.itemsize)
    return np.result_type(*dtypes)


def promote(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with their common dtype."""
    dtype = result_type(a, b)
    return _as(a, dtype), _as(b, dtype)


def scalar_operand(tensor: Tensor, other: Any) -> tuple[Tensor, Any]:
    """The tensor, and what stands beside it, ready for arithmetic.

    A Python or NumPy number stays a number; an array becomes a tensor.
    """
    if isinstance(other, np.ndarray) and other.dtype.kind in _RANK:
        return tensor, from_numpy(other)  # a gate may keep it: guarded against writes meanwhile
    if hasattr(other, "__cuda_array_interface__"):
        return tensor, wrap(other)
    if isinstance(other, np.generic):
        other = other.item()
    if isinstance(other, float):  # np.float64 is one, and would make float64 of float32
        other = float(other)
    if type(other) not in (bool, int, float):
        raise TypeError(
            f"a tensor of dtype {tensor.array.dtype} cannot be combined with "
            f"{type(other).__name__}; make it a tensor first"
        )
    return _as(tensor, result_type(tensor, other)), other


def _as(tensor: Tensor, dtype: np.dtype[Any]) -> Tensor:
    return tensor if tensor.array.dtype == dtype else tensor.to(dtype)
