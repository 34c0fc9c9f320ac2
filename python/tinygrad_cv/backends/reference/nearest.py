"""The nearest rows, the plain way: all distances of one row of x, sorted stably."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.backends.contract import Array

__all__ = ["nearest"]

METRICS = ("l1", "sqeuclidean", "dot", "cosine", "chebyshev", "hamming", "minkowski")
BLOCK_BYTES = 16 << 20  # of differences that are held at once


def nearest(
    x: Array,
    y: Array,
    k: int,
    metric: str,
    p: float = 2.0,
    progress: Callable[[int], None] | None = None,
) -> tuple[Array, Array]:
    """Distances and indices (N, k) of the k rows of y (M, D) nearest to each row of x (N, D)."""
    if metric not in METRICS:
        raise ValueError(f"nearest: metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if not 1 <= k <= len(y):
        raise ValueError(f"nearest: k must be 1 to {len(y)}, the rows of y, got {k}")
    if metric == "minkowski" and not p > 0:
        raise ValueError(f"nearest: p must be above 0, got {p}")
    dtype = np.float64 if x.dtype == np.uint8 else x.dtype
    distances, indices = np.empty((len(x), k), dtype), np.empty((len(x), k), np.int64)
    step = max(1, BLOCK_BYTES // max(8 * x.shape[1], 1))
    with np.errstate(invalid="ignore", over="ignore"):  # as the kernels: no warning
        for i, row in enumerate(x):
            all_of_row = np.concatenate(
                [_distances(row, y[j : j + step], metric, p) for j in range(0, len(y), step)]
            ).astype(dtype)
            all_of_row[np.isnan(all_of_row)] = np.inf
            indices[i] = np.argsort(all_of_row, kind="stable")[:k]
            distances[i] = all_of_row[indices[i]]
            if progress is not None:
                progress(1)
    return distances, indices


def _distances(row: Array, y: Array, metric: str, p: float) -> Array:
    """From one row to each row of y."""
    if metric == "hamming":
        return (row != y).sum(axis=1) / max(len(row), 1)
    wide = np.int64 if y.dtype == np.uint8 else y.dtype
    row, y = row.astype(wide), y.astype(wide)
    if metric == "dot":
        return -(row * y).sum(axis=1)
    if metric == "cosine":
        norms = np.sqrt(float((row * row).sum())) * np.sqrt((y * y).sum(axis=1))
        products = (row * y).sum(axis=1)
        return np.clip(1 - np.where(norms == 0, 0, products / np.where(norms == 0, 1, norms)), 0, 2)
    difference = np.abs(row - y)
    if metric == "l1":
        return difference.sum(axis=1)
    if metric == "sqeuclidean":
        return (difference * difference).sum(axis=1)
    if metric == "chebyshev":
        return difference.max(axis=1, initial=0)
    return (difference.astype(np.float64) ** p).sum(axis=1)
