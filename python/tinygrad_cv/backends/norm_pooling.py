"""The powers around a norm pool's sums, for NumPy's arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["norm_gradient", "root_of_sums", "window_gradient"]


@np.errstate(all="ignore")
def root_of_sums(sums: Array, p: float) -> Array:
    """sums^(1 / p), 0 where they are 0."""
    roots = sums ** (1 / p)
    return roots if p > 0 else np.where(sums == 0, sums.dtype.type(0), roots)


@np.errstate(all="ignore")
def window_gradient(grad: Array, y: Array, p: float) -> Array:
    """grad y^(1 - p), 0 where either is 0."""
    return np.where((grad == 0) | (y == 0), grad.dtype.type(0), grad * y ** (1 - p))


@np.errstate(all="ignore")
def norm_gradient(shares: Array, x: Array, p: float) -> Array:
    """shares x^(p - 1), 0 where no share is, be the power infinite or NaN."""
    gx = shares * x ** (p - 1)
    return np.where(shares == 0, x.dtype.type(0), gx) if np.isnan(gx).any() else gx
