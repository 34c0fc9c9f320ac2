"""Sums, products, quotients and powers, elementwise and broadcast; each is an operator as well."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tinygrad_cv.engine.gate import zero_dim
from tinygrad_cv.engine.promotion import result_type
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.methods import float_tensor, require_float, tensor_method
from tinygrad_cv.functional.operands import same_dtype
from tinygrad_cv.gates import arithmetic as gates
from tinygrad_cv.gates.rounding import Step


@tensor_method("__add__", ufunc="add")
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other, elementwise, broadcast; a float alpha is for floats alone."""
    return gates.Add()(input, other if alpha == 1 else _times("add", input, other, alpha))


@tensor_method("__sub__", "subtract", ufunc="subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other, elementwise, broadcast; a float alpha is for floats alone."""
    return gates.Sub()(input, other if alpha == 1 else _times("sub", input, other, alpha))


def _times(where: str, input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other in the dtype that input and other have in common."""
    _, other = same_dtype(where, input, other)
    if other.array.dtype.kind != "f" and isinstance(alpha, builtins.float):
        raise TypeError(f"{where}: alpha is {alpha} but the tensors are {other.dtype}; use an int")
    return (other * alpha).to(other.dtype)


@tensor_method("__mul__", "multiply", ufunc="multiply")
def mul(input: Any, other: Any) -> Tensor:
    """input * other, elementwise, broadcast."""
    return gates.Mul()(input, other)


@tensor_method("__truediv__", "divide", "true_divide", ufunc="divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, elementwise, broadcast; integers give float32.

    Parameters
    ----------
    rounding_mode : {"floor", "trunc"}, optional
        Round the quotient down or towards 0; integers stay integers, and the gradient is 0.

    Raises
    ------
    ValueError
        Another mode.
    ZeroDivisionError
        Integers divided by 0 with a rounding mode.
    """
    if rounding_mode is not None:
        return _rounded_quotient(input, other, rounding_mode)
    if isinstance(input, Tensor) and input.array.dtype.kind != "f":
        input = gates.Cast("float32")(input) if _kind(other) != "f" else input
    elif isinstance(other, Tensor) and other.array.dtype.kind != "f" and _kind(input) != "f":
        other = gates.Cast("float32")(other)
    return gates.Div()(input, other)


def _kind(x: Any) -> str:
    return x.dtype.kind if hasattr(x, "dtype") else "f" if isinstance(x, builtins.float) else "i"


def _rounded_quotient(input: Any, other: Any, mode: str) -> Tensor:
    if mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode must be None, 'floor' or 'trunc', got {mode!r}")
    if mode == "trunc":
        quotient = Step(np.trunc)(div(input, other))
        return quotient.to(result_type(input, other))
    if result_type(input, other).kind in "iu":
        return floor_divide(input, other)
    return Step(np.floor)(div(input, other))


@tensor_method("__floordiv__", ufunc="floor_divide")
def floor_divide(input: Any, other: Any) -> Tensor:
    """input / other rounded down, elementwise, broadcast; it has no gradient.

    Raises
    ------
    ZeroDivisionError
        Integers divided by 0.
    """
    a, b = _without_zero_divisor("floor_divide", input, other)
    with np.errstate(all="ignore"):
        return wrap(zero_dim(np.floor_divide(a.array, b.array)))


@tensor_method("__mod__", ufunc="remainder")
def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other), which has the sign of `other`.

    Raises
    ------
    ZeroDivisionError
        Integers divided by 0.
    """
    return gates.Remainder()(*_without_zero_divisor("remainder", input, other))


def _without_zero_divisor(where: str, input: Any, other: Any) -> tuple[Tensor, Tensor]:
    a, b = same_dtype(where, input, other)
    if a.array.dtype.kind != "f" and not b.array.all():
        raise ZeroDivisionError(f"{where}: other has zeros and integers have no infinity")
    return a, b


@tensor_method("__neg__", "negative", ufunc="negative")
def neg(input: Tensor) -> Tensor:
    """-input, elementwise."""
    return gates.Neg()(input)


@tensor_method("__pos__", ufunc="positive")
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    return input


@tensor_method("__pow__", ufunc="power")
def pow(input: Any, exponent: Any) -> Tensor:
    """input to the power of exponent, elementwise, broadcast.

    The gradient is 0 wherever the gradient that arrives is 0, also at a pole.
    """
    if isinstance(exponent, np.generic):
        exponent = exponent.item()  # np.float64 would make float64 of float32
    if isinstance(exponent, (int, builtins.float)) and isinstance(input, Tensor):
        if input.array.dtype.kind != "f":
            if isinstance(exponent, builtins.float):
                input = gates.Cast("float32")(input)
            elif exponent < 0:
                raise ValueError(f"pow: integers to the negative power {exponent}; use floats")
            elif input.array.dtype.kind == "b":
                input = gates.Cast("int64")(input)  # NumPy would make int8
        return gates.PowScalar(exponent)(input)
    return gates.Pow()(input, exponent)


@tensor_method(ufunc="square")
def square(input: Tensor) -> Tensor:
    """input * input, elementwise; bools give int64."""
    return pow(input, 2)


@tensor_method(ufunc="sqrt")
def sqrt(input: Tensor) -> Tensor:
    """Square root, elementwise; its gradient at 0 is infinite unless the one that arrives is 0."""
    return gates.PowScalar(0.5)(float_tensor(input, "sqrt"))


@tensor_method()
def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(input), elementwise."""
    return gates.PowScalar(-0.5)(float_tensor(input, "rsqrt"))


@tensor_method(ufunc="reciprocal")
def reciprocal(input: Tensor) -> Tensor:
    """1 / input, elementwise."""
    return gates.PowScalar(-1)(float_tensor(input, "reciprocal"))


@tensor_method()
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input), elementwise, broadcast.

    Parameters
    ----------
    input, end : Tensor, floats of one dtype
    weight : float or Tensor
        0 gives `input`, 1 gives `end`.

    Raises
    ------
    TypeError
        No floats, or several dtypes.
    """
    tensors = (input, end, weight) if isinstance(weight, Tensor) else (input, end)
    require_float("lerp", *tensors)
    if len({t.dtype for t in tensors}) > 1:
        raise TypeError(f"lerp: dtypes differ: {', '.join(str(t.dtype) for t in tensors)}")
    return gates.Lerp()(input, end, weight)


def _reflected(function: Any) -> Any:
    return lambda self, other: function(other, self)


Tensor.__radd__ = _reflected(add)  # type: ignore[method-assign]
Tensor.__rsub__ = _reflected(sub)  # type: ignore[method-assign]
Tensor.__rmul__ = _reflected(mul)  # type: ignore[method-assign]
Tensor.__rtruediv__ = _reflected(div)  # type: ignore[method-assign]
setattr(Tensor, "__rfloordiv__", _reflected(floor_divide))  # noqa: B010
setattr(Tensor, "__rmod__", _reflected(remainder))  # noqa: B010
Tensor.__rpow__ = _reflected(pow)  # type: ignore[method-assign]
