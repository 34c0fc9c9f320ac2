"""Norms of vectors and matrices. The gradient of a norm at 0 is 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.functional.casting import to
from tinygrad_cv.functional.extremes import amax, amin
from tinygrad_cv.functional.methods import require_float, tensor_method
from tinygrad_cv.functional.reduction import axes_of
from tinygrad_cv.functional.rounding import abs
from tinygrad_cv.gates import reduction as gates
from tinygrad_cv.gates.rounding import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.tensor import Tensor


def _norm(where: str, x: Tensor, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Tensor:
    if dtype is not None:
        x = to(x, dtype)
    require_float(where, x)
    if isinstance(p, bool) or not isinstance(p, (int, float)):
        raise TypeError(f"{where}: the order of a vector norm must be a number, got {p!r}")
    axes = axes_of(where, dim, x.ndim)
    if p == 0:
        return gates.Sum(axes, keepdim)(Step(_nonzero)(x))
    if p == 1:
        return gates.Sum(axes, keepdim)(abs(x))
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs(x), axes, keepdim)
    return gates.VectorNorm(p, axes, keepdim)(x)


def _nonzero(x: Any) -> Any:
    return (x != 0).astype(x.dtype)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """(Σ |x|^ord)^(1/ord) over `dim`, or over everything.

    Parameters
    ----------
    x : Tensor, floats
    ord : number
        2: Euclidean; 1: sum of sizes; inf and -inf: largest and smallest size; 0: how many are not 0.
    dim : int or tuple of ints, optional
    keepdim : bool
    dtype : dtype, optional
        Converted to before.

    Raises
    ------
    TypeError
        Integers, or an order that is no number.
    IndexError
        An infinite order of nothing.

    Notes
    -----
    Local gradient: sign(x) (|x| / norm)^(ord - 1), and 0 where x or the norm is 0; for infinite orders
    split evenly among equal sizes.
    """
    return _norm("vector_norm", x, ord, dim, keepdim, dtype)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Norms of matrices that need no singular values.

    Parameters
    ----------
    A : Tensor, shape (..., M, N), floats
    ord : {"fro", inf, -inf, 1, -1}
        "fro": root of the sum of squares; inf and -inf: largest and smallest sum of sizes in a row;
        1 and -1: the same in a column.
    dim : pair of ints
        Which dimensions are the rows and columns.

    Raises
    ------
    ValueError
        Another order, or a `dim` that is no pair.
    """
    if np.size(dim) != 2:
        raise ValueError(f"matrix_norm: dim must name two dimensions, got {dim!r}")
    rows, columns = axes_of("matrix_norm", dim, A.ndim) or (0, 1)
    if ord == "fro":
        return _norm("matrix_norm", A, 2, (rows, columns), keepdim, dtype)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(f"matrix_norm: ord must be 'fro', 1, -1, inf or -inf, got {ord!r}")
    along, across = (rows, columns) if ord in (1, -1) else (columns, rows)
    sums = _norm("matrix_norm", A, 1, along, True, dtype)
    out = (amax if float(ord) > 0 else amin)(sums, across, True)
    if keepdim:
        return out
    return out.reshape([n for i, n in enumerate(out.shape) if i not in (rows, columns)])


def linalg_norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """`vector_norm` of one dimension, `matrix_norm` of two; without `ord` the Euclidean of any.

    Raises
    ------
    ValueError
        An order for which neither one nor two dimensions are given.
    """
    if ord is None:
        return _norm("norm", A, 2, dim, keepdim, dtype)
    dims = dim
    if dims is None:
        if A.ndim not in (1, 2):
            raise ValueError(f"norm: with ord the tensor needs 1 or 2 dimensions, got {A.shape}")
        dims = tuple(range(A.ndim))
    if isinstance(dims, int) or len(dims) == 1:
        if isinstance(ord, str):
            raise ValueError(f"norm: ord {ord!r} is for matrices but dim {dim} is one dimension")
        return _norm("norm", A, ord, dims, keepdim, dtype)
    return matrix_norm(A, ord, tuple(dims), keepdim, dtype=dtype)  # type: ignore[arg-type]


@tensor_method()
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The p-norm over `dim`, or over everything; "fro" is p = 2.

    Raises
    ------
    ValueError
        Another word than "fro".
    """
    if p is None or p == "fro":
        p = 2
    if isinstance(p, str):
        raise ValueError(f"norm: p must be a number or 'fro', got {p!r}")
    return _norm("norm", input, p, dim, keepdim, dtype)
