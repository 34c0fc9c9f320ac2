"""Matrix multiplication in C++: operands of any strides are read in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["matmul"]


def matmul(a: Array, b: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """a (..., M, K) times b (..., K, N), plus bias (N,); `relu` clips the result at 0."""
    if not a.flags.aligned:
        a = a.copy()
    if not b.flags.aligned:
        b = b.copy()
    return _core.matmul(a, b, None if bias is None else dense(bias), relu)
