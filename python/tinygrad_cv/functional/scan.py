"""Running sums and products along a dimension. Integers give int64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.functional.methods import dim_index, tensor_method
from tinygrad_cv.functional.reduction import summed
from tinygrad_cv.gates import scan as gates

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


@tensor_method()
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sum of each element and those before it along `dim`."""
    return _along(gates.Cumsum, dim_index("cumsum", dim, input.ndim), summed(input, dtype))


@tensor_method()
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The product of each element and those before it along `dim`; its gradient divides by none."""
    return _along(gates.Cumprod, dim_index("cumprod", dim, input.ndim), summed(input, dtype))


def _along(gate: Any, axis: int, input: Tensor) -> Any:
    if input.ndim:
        return gate(axis)(input)
    return gate(0)(input.reshape(1)).reshape(())
