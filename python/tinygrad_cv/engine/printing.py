"""How a tensor prints: values as PyTorch shows them, then what is out of the ordinary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

_PREFIX = "tensor("


def tensor_repr(tensor: Tensor) -> str:
    """``tensor([1., 2.], dtype=float64, gate=Mul)``; large tensors are summarised."""
    array = tensor.array if isinstance(tensor.array, np.ndarray) else tensor.array.get()
    parts = [_values(array)]
    if array.dtype not in (np.float32, np.int64, np.bool_):
        parts.append(f"dtype={array.dtype}")
    if not array.size and array.ndim != 1:
        parts.append(f"size={array.shape}")
    if tensor.device.type != "cpu":
        parts.append(f"device={str(tensor.device)!r}")
    if tensor.gate is not None:
        parts.append(f"gate={type(tensor.gate).__name__}")
    elif tensor.requires_grad:
        parts.append("requires_grad=True")
    return f"{_PREFIX}{', '.join(parts)})"


def _values(array: np.ndarray[Any, Any]) -> str:
    if not array.size:
        return "[]"
    return np.array2string(
        array,
        precision=4,
        separator=", ",
        prefix=_PREFIX,
        threshold=1000,
        edgeitems=3,
        floatmode="fixed" if _needs_digits(array) else "maxprec",
        suppress_small=_is_moderate(array),
    )


def _needs_digits(array: np.ndarray[Any, Any]) -> bool:
    """True if some shown value is no whole number: then all get four digits."""
    if array.dtype.kind != "f":
        return False
    finite = array[np.isfinite(array)]
    return bool((finite != np.rint(finite)).any())


def _is_moderate(array: np.ndarray[Any, Any]) -> bool:
    """True if plain digits show every value well; else the scientific form is used."""
    if array.dtype.kind != "f":
        return True
    size = np.abs(array[np.isfinite(array) & (array != 0)])
    return not size.size or bool(size.max() < 1e8 and size.min() > 1e-4)
