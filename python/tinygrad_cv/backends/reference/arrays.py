"""What the reference room refuses: the dtypes that its formulas would quietly take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["check_floats"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def check_floats(where: str, **arrays: Array) -> None:
    """Every array is float32 or float64, and all are the same: else a TypeError names the first."""
    dtypes = [array.dtype for array in arrays.values()]
    for name, dtype in zip(arrays, dtypes, strict=True):
        if dtype not in _FLOATS or dtype != dtypes[0]:
            wanted = "float32 or float64" if dtypes[0] not in _FLOATS else str(dtypes[0])
            raise TypeError(f"{where}: {name} must be a {wanted} array, got ndarray of {dtype}")
