"""Distances between rows, in C++."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["pairwise_distance"]


def pairwise_distance(x: Array, y: Array, metric: str) -> Array:
    """Distances "l1" or "sqeuclidean" between the rows of x (N, D) and of y (M, D): (N, M)."""
    return _core.pairwise_distance(dense(x), dense(y), metric)
