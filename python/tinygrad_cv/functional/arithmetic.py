"""Elementwise functions."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.functional.methods import float_tensor, tensor_method
from tinygrad_cv.gates import arithmetic as gates


@tensor_method("__add__", ufunc="add")
def add(input: Any, other: Any) -> Tensor:
    """input + other, elementwise, broadcast."""
    return gates.Add()(input, other)


@tensor_method("__sub__", ufunc="subtract")
def sub(input: Any, other: Any) -> Tensor:
    """input - other, elementwise, broadcast."""
    return gates.Sub()(input, other)


@tensor_method("__mul__", ufunc="multiply")
def mul(input: Any, other: Any) -> Tensor:
    """input * other, elementwise, broadcast."""
    return gates.Mul()(input, other)


@tensor_method("__truediv__", "true_divide", ufunc="divide")
def div(input: Any, other: Any) -> Tensor:
    """input / other, elementwise, broadcast; integers give float32."""
    if isinstance(input, Tensor) and input.array.dtype.kind != "f":
        input = gates.Cast("float32")(input) if _kind(other) != "f" else input
    elif isinstance(other, Tensor) and other.array.dtype.kind != "f" and _kind(input) != "f":
        other = gates.Cast("float32")(other)
    return gates.Div()(input, other)


def _kind(x: Any) -> str:
    return x.dtype.kind if hasattr(x, "dtype") else "f" if isinstance(x, builtins.float) else "i"


@tensor_method("__neg__", ufunc="negative")
def neg(input: Tensor) -> Tensor:
    """-input, elementwise."""
    return gates.Neg()(input)


@tensor_method("__pow__", ufunc="power")
def pow(input: Any, exponent: Any) -> Tensor:
    """input to the power of exponent, elementwise, broadcast.

    The gradient is 0 wherever the gradient that arrives is 0, also at a pole.
    """
    if isinstance(exponent, (int, builtins.float)) and isinstance(input, Tensor):
        if input.array.dtype.kind != "f":
            if isinstance(exponent, builtins.float):
                input = gates.Cast("float32")(input)
            elif exponent < 0:
                raise ValueError(f"pow: integers to the negative power {exponent}; use floats")
        return gates.PowScalar(exponent)(input)
    return gates.Pow()(input, exponent)


def _reflected(function: Any) -> Any:
    return lambda self, other: function(other, self)


Tensor.__radd__ = _reflected(add)  # type: ignore[method-assign]
Tensor.__rsub__ = _reflected(sub)  # type: ignore[method-assign]
Tensor.__rmul__ = _reflected(mul)  # type: ignore[method-assign]
Tensor.__rtruediv__ = _reflected(div)  # type: ignore[method-assign]
Tensor.__rpow__ = _reflected(pow)  # type: ignore[method-assign]


@tensor_method(ufunc="exp")
def exp(input: Tensor) -> Tensor:
    """e to the power of input, elementwise."""
    return gates.Exp()(float_tensor(input, "exp"))


@tensor_method(ufunc="log")
def log(input: Tensor) -> Tensor:
    """Natural logarithm, elementwise: -inf at 0, NaN below."""
    return gates.Log()(float_tensor(input, "log"))


@tensor_method(ufunc="sqrt")
def sqrt(input: Tensor) -> Tensor:
    """Square root, elementwise; its gradient at 0 is infinite unless the one that arrives is 0."""
    return gates.PowScalar(0.5)(float_tensor(input, "sqrt"))


@tensor_method()
def to(input: Tensor, *args: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The tensor as another dtype or on another device: ``x.to(tg.float64)``, ``x.to("cpu")``.

    Returns the tensor itself where nothing changes. Gradients come back in its own dtype.

    Raises
    ------
    ValueError
        An unknown device.
    """
    from tinygrad_cv.engine.device import device as Device
    from tinygrad_cv.engine.tensor import require_device

    for given in args:
        if isinstance(given, Tensor):
            dtype = given.dtype
        elif isinstance(given, Device) or (isinstance(given, str) and given[:3] in ("cpu", "cud")):
            device = given
        elif isinstance(given, str):
            try:
                dtype = np.dtype(given)
            except TypeError:
                device = given
        else:
            dtype = given
    if device is not None:
        require_device(device)
    if dtype is None or np.dtype(dtype) == input.array.dtype:
        return input
    return gates.Cast(np.dtype(dtype))(input)


@tensor_method()
def float(input: Tensor) -> Tensor:
    """The tensor as float32."""
    return to(input, np.float32)


@tensor_method()
def double(input: Tensor) -> Tensor:
    """The tensor as float64."""
    return to(input, np.float64)


@tensor_method()
def long(input: Tensor) -> Tensor:
    """The tensor as int64."""
    return to(input, np.int64)
