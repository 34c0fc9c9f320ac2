"""The nearest rows, on the GPU: short lists beside the tiles of distances, no matrix of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp
import numpy as np

from tinygrad_cv.backends.cpp.nearest import nearest as on_the_cpu
from tinygrad_cv.backends.cuda import through_the_host
from tinygrad_cv.backends.cuda.arrays import check_floats, dense
from tinygrad_cv.backends.cuda.distance import pairwise_distance
from tinygrad_cv.backends.cuda.launch import launch, processors, suffix, threads_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.backends.contract import Array

__all__ = ["nearest"]

_SIDE = 64  # rows of a tile
_FEWEST_TILES = 4  # to a part of y: a part's list is filled anew, and merged
_LONGEST_LIST = 128  # k, beyond which moving list entries costs more than a sort of all distances
_ROWS = 1 << 14  # of x at once: lists of all parts take 8 k parts bytes a row
_BLOCK_BYTES = 64 << 20  # of distances that are sorted at once

# The largest step of a sum of bytes; sums of words are exact below 2^32.
_LARGEST = {"l1": 255, "sqeuclidean": 255**2}


def nearest(
    x: Array,
    y: Array,
    k: int,
    metric: str,
    p: float = 2.0,
    progress: Callable[[int], None] | None = None,
) -> tuple[Array, Array]:
    """Distances and indices (N, k) of the k rows of y (M, D) nearest to each row of x (N, D).

    "l1" and "sqeuclidean" run here, all others on the CPU.
    """
    if metric not in _LARGEST:
        found: tuple[Array, Array] = through_the_host(on_the_cpu)(x, y, k, metric, p, progress)
        return found
    bytes_ = x.dtype == np.uint8 and y.dtype == np.uint8
    if not bytes_:
        check_floats("nearest", x=x, y=y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"nearest: x has rows of {x.shape[1]} elements but y of {y.shape[1]}")
    if not 1 <= k <= len(y):
        raise ValueError(f"nearest: k must be 1 to {len(y)}, the rows of y, got {k}")
    fits = not bytes_ or x.shape[1] * _LARGEST[metric] < 2**32
    listed = k <= _LONGEST_LIST and fits
    step = _ROWS if listed else max(1, _BLOCK_BYTES // (8 * len(y)))
    prepared = _prepared(y) if listed else y
    distance = cp.empty((len(x), k), np.float64 if bytes_ else x.dtype)
    index = cp.empty((len(x), k), np.int64)
    for begin in range(0, len(x), step):
        part = slice(begin, begin + step)
        if listed:
            _lists(_prepared(x[part]), prepared, k, metric, distance[part], index[part])
        else:
            _sorted(x[part], y, k, metric, distance[part], index[part])
        if progress is not None:
            progress(len(x[part]))
    return distance, index


def _prepared(rows: Array) -> Array:
    """Dense rows of at least one element: floats, or words of four bytes, filled up with zeros."""
    size = 4 if rows.dtype == np.uint8 else 1
    width = max(size, -(-rows.shape[1] // size) * size)
    if rows.dtype != np.uint8 and width == rows.shape[1]:
        return dense(rows)
    filled = cp.zeros((len(rows), width), rows.dtype)
    filled[:, : rows.shape[1]] = rows
    return filled.view(np.uint32) if rows.dtype == np.uint8 else filled


def plan_parts(n: int, m: int, units: int) -> int:
    """In how many parts y is searched so that all blocks fill the GPU twice."""
    tiles = -(-n // _SIDE)
    return max(1, min(2 * units // tiles, -(-m // _SIDE) // _FEWEST_TILES))


def _lists(x: Array, y: Array, k: int, metric: str, distance: Array, index: Array) -> None:
    (n, depth), m = x.shape, len(y)
    parts = plan_parts(n, m, processors())
    name = "u8" if x.dtype == np.uint32 else suffix(x.dtype)
    found, row = cp.empty((k, parts * n), x.dtype), cp.empty((k, parts * n), np.int32)
    launch(
        "nearest", f"nearest_{metric}_{name}", -(-n // _SIDE) * parts,
        x, y, found, row, n, m, depth, k, parts,
    )  # fmt: skip
    merged, merged_row = cp.empty((k, n), x.dtype), cp.empty((k, n), np.int32)
    launch(
        "nearest", f"merge_nearest_{name}", threads_for(n),
        found, row, merged, merged_row, distance, index, n, k, parts,
    )  # fmt: skip


def _sorted(x: Array, y: Array, k: int, metric: str, distance: Array, index: Array) -> None:
    d = pairwise_distance(x, y, metric).astype(distance.dtype)
    d = cp.where(cp.isnan(d), np.inf, d)
    order = cp.argsort(d, axis=1, kind="stable")[:, :k]
    index[...] = order
    distance[...] = cp.take_along_axis(d, order, 1)
