"""Distances between all rows of two matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.functional.norms import vector_norm
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.distance import EuclideanDistance, ManhattanDistance
from tinygrad_cv.gates.shape import Reshape

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm distance between each row of `x1` and each row of `x2`.

    Parameters
    ----------
    x1 : Tensor, shape (..., P, M), floats
    x2 : Tensor, shape (..., R, M), dtype of x1
        Leading dimensions broadcast.
    p : number >= 0
        2: Euclidean; 1: sum of differences; inf: the largest; 0: how many differ.
    compute_mode : str, optional
        PyTorch's words are taken, and do nothing: rows are always subtracted before they are squared,
        so that near rows lose nothing to cancellation.

    Returns
    -------
    Tensor, shape (..., P, R)

    Raises
    ------
    ValueError
        Rows of different lengths, a negative p, an unknown mode.
    TypeError
        Integers, or two dtypes.

    Notes
    -----
    The gradient is 0 for equal rows. p = 1 and 2 use memory for the result only; the others for
    all differences, P R M numbers.
    """
    require_float("cdist", x1, x2)
    if x1.dtype != x2.dtype:
        raise TypeError(f"cdist: x1 is {x1.dtype} but x2 {x2.dtype}")
    if x1.ndim < 2 or x2.ndim < 2:
        raise ValueError(f"cdist: x1 and x2 must be matrices, got {x1.shape} and {x2.shape}")
    if x1.shape[-1] != x2.shape[-1]:
        raise ValueError(
            f"cdist: rows of x1 {x1.shape} have {x1.shape[-1]} elements but those of x2 {x2.shape} "
            f"have {x2.shape[-1]}"
        )
    if not p >= 0:
        raise ValueError(f"cdist: p must be >= 0, got {p}")
    if compute_mode is not None and compute_mode not in _MODES:
        raise ValueError(f"cdist: compute_mode must be one of {_MODES}, got {compute_mode!r}")
    a, b = _same_batch(x1, x2)
    if p == 1:
        return ManhattanDistance()(a, b)
    if p == 2:
        return EuclideanDistance()(a, b)
    a = Reshape((*a.shape[:-1], 1, a.shape[-1]))(a)
    b = Reshape((*b.shape[:-2], 1, *b.shape[-2:]))(b)
    if math.isinf(p) and not a.shape[-1]:
        return (a - b).sum(-1)
    return vector_norm(a - b, p, -1)


def _same_batch(x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the leading dimensions that they broadcast to."""
    if x1.shape[:-2] == x2.shape[:-2]:
        return x1, x2
    lengths = []
    for i in range(1, max(x1.ndim, x2.ndim) - 1):
        m, n = (x.shape[-2 - i] if i <= x.ndim - 2 else 1 for x in (x1, x2))
        if m != n and 1 not in (m, n):
            raise ValueError(f"cdist: x1 {x1.shape} and x2 {x2.shape} do not broadcast")
        lengths.append(n if m == 1 else m)
    batch = tuple(lengths[::-1])
    return Expand((*batch, *x1.shape[-2:]))(x1), Expand((*batch, *x2.shape[-2:]))(x2)
