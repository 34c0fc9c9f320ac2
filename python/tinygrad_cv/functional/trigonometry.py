"""Trigonometric functions, elementwise, angles in radians, and the error function.

Integers give float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.functional.methods import float_tensor, require_float, tensor_method
from tinygrad_cv.functional.operands import same_dtype
from tinygrad_cv.gates import trigonometry as gates
from tinygrad_cv.gates.erf import Erf

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


@tensor_method(ufunc="sin")
def sin(input: Tensor) -> Tensor:
    """Sine."""
    return gates.Sin()(float_tensor(input, "sin"))


@tensor_method(ufunc="cos")
def cos(input: Tensor) -> Tensor:
    """Cosine."""
    return gates.Cos()(float_tensor(input, "cos"))


@tensor_method(ufunc="tan")
def tan(input: Tensor) -> Tensor:
    """Tangent."""
    return gates.Tan()(float_tensor(input, "tan"))


@tensor_method("arctan2", ufunc="arctan2")
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, input), from -pi to pi; the gradient at the origin is 0."""
    a, b = same_dtype("atan2", input, other)
    return gates.Atan2()(float_tensor(a, "atan2"), float_tensor(b, "atan2"))


@tensor_method(ufunc="hypot")
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input^2 + other^2) without overflow on the way; the gradient at the origin is 0.

    Raises
    ------
    TypeError
        No floats among them.
    """
    a, b = same_dtype("hypot", input, other)
    require_float("hypot", a)
    return gates.Hypot()(a, b)


@tensor_method()
def erf(input: Tensor) -> Tensor:
    """The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to input.

    References
    ----------
    Cody 1969, "Rational Chebyshev approximations for the error function", Math. Comp. 23.
    """
    return Erf()(float_tensor(input, "erf"))
