"""Distances between rows, the plain way: row by row, differences first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["pairwise_distance"]


def pairwise_distance(x: Array, y: Array, metric: str) -> Array:
    """Distances "l1" or "sqeuclidean" between the rows of x (N, D) and of y (M, D): (N, M)."""
    if metric not in ("l1", "sqeuclidean"):
        raise ValueError(f"pairwise_distance: metric must be 'l1' or 'sqeuclidean', got {metric!r}")
    dtype = np.int64 if x.dtype == np.uint8 else x.dtype
    out = np.empty((len(x), len(y)), dtype)
    wide_y = y.astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):  # as the kernels: no warning
        for row, distances in zip(x.astype(dtype), out, strict=True):
            difference = row - wide_y
            term = np.abs(difference) if metric == "l1" else difference * difference
            distances[:] = term.sum(axis=1)
    return out
