"""Exponentials and logarithms, elementwise. Integers give float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.functional.methods import float_tensor, require_float, tensor_method
from tinygrad_cv.functional.operands import same_dtype
from tinygrad_cv.gates import exponential as gates

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


@tensor_method(ufunc="exp")
def exp(input: Tensor) -> Tensor:
    """e to the power of input."""
    return gates.Exp()(float_tensor(input, "exp"))


@tensor_method(ufunc="expm1")
def expm1(input: Tensor) -> Tensor:
    """exp(input) - 1, exact for small input."""
    return gates.Expm1()(float_tensor(input, "expm1"))


@tensor_method(ufunc="log")
def log(input: Tensor) -> Tensor:
    """Natural logarithm: -inf at 0, NaN below.

    The gradient is 0 wherever the gradient that arrives is 0, also at 0.
    """
    return gates.Log()(float_tensor(input, "log"))


@tensor_method(ufunc="log2")
def log2(input: Tensor) -> Tensor:
    """Logarithm to base 2: -inf at 0, NaN below."""
    return gates.Log(2)(float_tensor(input, "log2"))


@tensor_method(ufunc="log10")
def log10(input: Tensor) -> Tensor:
    """Logarithm to base 10: -inf at 0, NaN below."""
    return gates.Log(10)(float_tensor(input, "log10"))


@tensor_method(ufunc="log1p")
def log1p(input: Tensor) -> Tensor:
    """log(1 + input), exact for small input: -inf at -1, NaN below."""
    return gates.Log1p()(float_tensor(input, "log1p"))


@tensor_method(ufunc="logaddexp")
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), broadcast, without overflow.

    Where both are minus infinity so is the result, and its gradients are 0.

    Raises
    ------
    TypeError
        No floats among them.
    """
    a, b = same_dtype("logaddexp", input, other)
    require_float("logaddexp", a)
    return gates.LogAddExp()(a, b)
