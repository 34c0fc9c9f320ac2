"""Sums, products, moments and truths over dimensions. Extremes are in extremes, norms in norms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.gate import zero_dim
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.casting import to
from tinygrad_cv.functional.methods import dim_index, float_tensor, require_float, tensor_method
from tinygrad_cv.gates import reduction as gates
from tinygrad_cv.gates.scan import Prod

if TYPE_CHECKING:
    from collections.abc import Sequence

    Dims = int | Sequence[int] | None


def axes_of(where: str, dim: Any, ndim: int) -> tuple[int, ...] | None:
    """Dimensions >= 0, or None for all.

    Raises IndexError for one that the tensor does not have, ValueError for one named twice.
    """
    if dim is None or dim == () or dim == []:
        return None
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    axes = tuple([dim_index(where, d, ndim) for d in dims])
    if len(set(axes)) != len(axes):
        raise ValueError(f"{where}: dim {tuple(dims)} names a dimension twice")
    return axes if ndim else None


def summed(input: Tensor, dtype: Any) -> Tensor:
    """In the dtype that sums and products are taken in: int64 for integers and bools."""
    if dtype is not None:
        return to(input, dtype)
    return input if input.array.dtype.kind == "f" else to(input, np.int64)


@tensor_method()
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over `dim`, or over everything; integers are summed as int64."""
    return gates.Sum(axes_of("sum", dim, input.array.ndim), keepdim)(summed(input, dtype))


@tensor_method()
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over `dim`, or over everything; NaN for nothing.

    Raises
    ------
    TypeError
        Integers: say ``dtype=`` or use ``.float()``.
    """
    if dtype is not None:
        input = to(input, dtype)
    require_float("mean", input)
    return gates.Mean(axes_of("mean", dim, input.array.ndim), keepdim)(input)


@tensor_method()
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Product over `dim`, or over everything; integers give int64.

    The gradient is exact where elements are 0: it multiplies the others and divides by none.
    """
    input = summed(input, dtype)
    if dim is None:
        return Prod(0)(input.reshape(-1))
    axis = dim_index("prod", dim, input.ndim)
    return Prod(axis, keepdim)(input) if input.ndim else Prod(0)(input.reshape(1))


def _moment(
    where: str, gate: Any, input: Tensor, dim: Any, unbiased: bool, keepdim: bool, correction: Any
) -> Any:
    require_float(where, input)
    if isinstance(dim, bool):  # var(False), PyTorch's form without a dimension
        dim, unbiased = None, dim
    if correction is None:
        correction = int(unbiased)
    return gate(axes_of(where, dim, input.ndim), keepdim, correction)(input)


@tensor_method()
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Variance over `dim`, or over everything.

    Parameters
    ----------
    unbiased : bool
        Divide by n - 1, otherwise by n.
    correction : number, optional
        Divide by n - correction.

    Raises
    ------
    TypeError
        Integers: use ``.float()``.

    Notes
    -----
    One element without a spread gives NaN where n - correction is 0, as in PyTorch.
    """
    return _moment("var", gates.Var, input, dim, unbiased, keepdim, correction)


@tensor_method()
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Standard deviation over `dim`, or over everything: the root of `var`.

    The gradient where all elements are equal is 0.
    """
    return _moment("std", gates.Std, input, dim, unbiased, keepdim, correction)


@tensor_method()
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over `dim`, without overflow; of minus infinities minus infinity.

    The gradient is the softmax, and 0 where every element is minus infinity.
    """
    input = float_tensor(input, "logsumexp")
    return gates.LogSumExp(axes_of("logsumexp", dim, input.ndim), keepdim)(input)


def _truth(where: str, reduce: Any, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = axes_of(where, dim, input.array.ndim)
    out = zero_dim(reduce(input.array, axis=axes, keepdims=keepdim))
    # uint8 was PyTorch's bool once and stays uint8.
    return wrap(out.astype(np.uint8) if input.array.dtype == np.uint8 else out)


@tensor_method()
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element over `dim` is true: not 0. True for nothing."""
    return _truth("all", np.all, input, dim, keepdim)


@tensor_method()
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether an element over `dim` is true: not 0. False for nothing."""
    return _truth("any", np.any, input, dim, keepdim)


@tensor_method()
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over `dim` are not 0, as int64."""
    axes = axes_of("count_nonzero", dim, input.array.ndim)
    return wrap(np.asarray(np.count_nonzero(input.array, axis=axes), np.int64, like=input.array))
