"""The nearest rows, in C++."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.arrays import dense

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.backends.contract import Array

__all__ = ["nearest"]

# Rows of x in one call: their prepared copy, up to 2 bytes an element, stays under this, and a call
# is done in about a second on 50,000 images. Metrics that go pair by pair are slower.
PREPARED_BYTES = 8 << 20
FEWEST, SLOW = 64, ("chebyshev", "hamming", "minkowski")


def nearest(
    x: Array,
    y: Array,
    k: int,
    metric: str,
    p: float = 2.0,
    progress: Callable[[int], None] | None = None,
) -> tuple[Array, Array]:
    """Distances and indices (N, k) of the k rows of y (M, D) nearest to each row of x (N, D)."""
    x, y = dense(x), dense(y)
    at_once = max(FEWEST, PREPARED_BYTES // max(2 * x.shape[1], 1)) if x.ndim == 2 else FEWEST
    if metric in SLOW:
        at_once = FEWEST
    dtype = np.float64 if x.dtype == np.uint8 else x.dtype
    parts = []
    for begin in range(0, max(len(x), 1), at_once):
        rows = x[begin : begin + at_once]
        distance, index = _core.nearest(rows, y, k, metric, p)
        parts.append((distance.astype(dtype, copy=False), index))
        if progress is not None:
            progress(len(rows))
    if len(parts) == 1:
        return parts[0]
    distances, indices = zip(*parts, strict=True)
    return np.concatenate(distances), np.concatenate(indices)
