"""Absolute values, signs, rounding, elementwise. Integers stay what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.functional.methods import require_float, tensor_method
from tinygrad_cv.gates import rounding as gates

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tinygrad_cv.engine.tensor import Tensor


@tensor_method("__abs__", "absolute", ufunc="absolute")
def abs(input: Tensor) -> Tensor:
    """The size of each element; the gradient at 0 is 0."""
    return gates.Abs()(input)


@tensor_method(ufunc="sign")
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; 0 for NaN. The gradient is 0."""
    return gates.Step(gates.sign)(input)


def _stepped(input: Tensor, function: Callable[[Any], Any]) -> Tensor:
    return input if input.array.dtype.kind in "iu" else gates.Step(function)(input)


@tensor_method("__floor__", ufunc="floor")
def floor(input: Tensor) -> Tensor:
    """The largest integer not above each element. The gradient is 0."""
    return _stepped(input, np.floor)


@tensor_method("__ceil__", ufunc="ceil")
def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below each element. The gradient is 0."""
    return _stepped(input, np.ceil)


@tensor_method("__trunc__", ufunc="trunc")
def trunc(input: Tensor) -> Tensor:
    """Each element without its fraction. The gradient is 0."""
    return _stepped(input, np.trunc)


@tensor_method(ufunc="rint")
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest integer, halves to the even one; or with so many decimals. The gradient is 0.

    Raises
    ------
    TypeError
        Decimals of integers.
    """
    if decimals:
        require_float("round", input)
    return _stepped(input, lambda x: np.round(x, decimals))


@tensor_method()
def nan_to_num(
    input: Tensor,
    nan: float | None = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """`input` with numbers for NaN and the infinities; their gradient is 0.

    Parameters
    ----------
    nan : float
        What stands for NaN.
    posinf, neginf : float, optional
        What stands for plus and minus infinity. Default: the largest and smallest of the dtype.
    """
    return gates.NanToNum(0.0 if nan is None else nan, posinf, neginf)(input)
