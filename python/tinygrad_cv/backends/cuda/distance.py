"""Distances between rows, on the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp
import numpy as np

from tinygrad_cv.backends.cuda.arrays import check_floats, dense
from tinygrad_cv.backends.cuda.launch import launch, suffix

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["pairwise_distance"]


def pairwise_distance(x: Array, y: Array, metric: str) -> Array:
    """Distances "l1" or "sqeuclidean" between the rows of x (N, D) and of y (M, D): (N, M)."""
    if metric not in ("l1", "sqeuclidean"):
        raise ValueError(f"pairwise_distance: metric must be 'l1' or 'sqeuclidean', got {metric!r}")
    if x.dtype != np.uint8 or y.dtype != np.uint8:
        check_floats("pairwise_distance", x=x, y=y)
    (n, depth), (m, other) = x.shape, y.shape
    if depth != other:
        raise ValueError(f"pairwise_distance: x has rows of {depth} elements but y of {other}")
    d = cp.empty((n, m), np.int64 if x.dtype == np.uint8 else x.dtype)
    blocks = -(-n // 64) * -(-m // 64)
    name = f"distance_{metric}_{suffix(x.dtype)}"
    launch("distance", name, blocks, dense(x), dense(y), d, n, m, depth)
    return d
