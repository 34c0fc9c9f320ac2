"""Matrix multiplication, the plain way: NumPy's, in the precision of the operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["matmul"]


def matmul(a: Array, b: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """a (..., M, K) times b (..., K, N), plus bias (N,); `relu` clips the result at 0."""
    with np.errstate(invalid="ignore", over="ignore"):  # as the kernels: no warning
        out = np.matmul(a, b)
        if bias is not None:
            out = out + bias
        return np.maximum(out, 0) if relu else out
