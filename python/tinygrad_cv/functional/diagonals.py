"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.functional.methods import dim_index, tensor_method
from tinygrad_cv.functional.reduction import sum
from tinygrad_cv.gates.chain import Keep
from tinygrad_cv.gates.diagonal import Diagonal, OnDiagonal

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


@tensor_method()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal over two dimensions, as the last dimension: a view.

    Parameters
    ----------
    offset : int
        Above the main diagonal if positive, below if negative.
    dim1, dim2 : int

    Raises
    ------
    ValueError
        One dimension named twice.
    """
    dims = dim_index("diagonal", dim1, input.ndim), dim_index("diagonal", dim2, input.ndim)
    if dims[0] == dims[1]:
        raise ValueError(f"diagonal: dim1 {dim1} and dim2 {dim2} are the same dimension")
    return Diagonal(offset, dims)(input)


@tensor_method()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension as the diagonal over two new ones, zeros elsewhere."""
    ndim = input.ndim + 1
    dims = dim_index("diag_embed", dim1, ndim), dim_index("diag_embed", dim2, ndim)
    if dims[0] == dims[1]:
        raise ValueError(f"diag_embed: dim1 {dim1} and dim2 {dim2} are the same dimension")
    side = input.shape[-1] + abs(offset)
    others = iter(input.shape[:-1])
    shape = tuple([side if i in dims else next(others) for i in range(ndim)])
    return OnDiagonal(offset, dims, shape)(input)


@tensor_method()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Of a vector the matrix with it as diagonal, of a matrix its diagonal.

    Raises
    ------
    ValueError
        Neither a vector nor a matrix.
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return Diagonal(diagonal, (0, 1))(input).clone()
    raise ValueError(f"diag: input must be a vector or a matrix, got shape {input.shape}")


@tensor_method()
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Raises
    ------
    ValueError
        No matrix.
    """
    if input.ndim != 2:
        raise ValueError(f"trace: input must be a matrix, got shape {input.shape}")
    return sum(Diagonal(0, (0, 1))(input))


def _triangle(where: str, input: Tensor, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        raise ValueError(f"{where}: input must have shape (..., M, N), got {input.shape}")
    below = diagonal if lower else diagonal - 1
    rows, columns = input.shape[-2:]
    mask = np.tri(rows, columns, below, bool, like=input.array)
    return Keep(mask if lower else ~mask)(input)


@tensor_method()
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The part of each matrix on and below a diagonal, zeros above.

    Raises
    ------
    ValueError
        Fewer than two dimensions.
    """
    return _triangle("tril", input, diagonal, True)


@tensor_method()
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The part of each matrix on and above a diagonal, zeros below.

    Raises
    ------
    ValueError
        Fewer than two dimensions.
    """
    return _triangle("triu", input, diagonal, False)
