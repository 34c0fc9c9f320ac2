"""Operands of functions of several tensors: tensors of one dtype, by PyTorch's rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.promotion import result_type
from tinygrad_cv.engine.tensor import Tensor, from_numpy, wrap
from tinygrad_cv.functional.casting import to


def is_operand(value: Any) -> bool:
    """True for what may stand beside a tensor: a number, an array or a tensor."""
    return isinstance(value, (Tensor, bool, int, float, np.ndarray, np.generic))


def same_dtype(where: str, *operands: Any) -> list[Tensor]:
    """The operands as tensors of their common dtype; numbers give way as they do in arithmetic.

    Numbers go to the device of the first tensor.

    Raises TypeError for what is no number, array or tensor.
    """
    for x in operands:
        if not is_operand(x):
            raise TypeError(f"{where}: expected tensors or numbers, got {type(x).__name__}")
    plain = [x.item() if isinstance(x, np.generic) else x for x in operands]
    dtype = result_type(*plain)
    tensors = [from_numpy(x) if isinstance(x, np.ndarray) else x for x in plain]
    like = next((x.array for x in tensors if isinstance(x, Tensor)), np.empty(0))
    return [
        to(x, dtype) if isinstance(x, Tensor) else wrap(np.asarray(x, dtype, like=like))
        for x in tensors
    ]
