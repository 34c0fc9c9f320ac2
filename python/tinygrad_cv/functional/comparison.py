"""Comparisons and tests, elementwise and broadcast: results are bools, and have no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.gate import zero_dim
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.functional.operands import is_operand, same_dtype

if TYPE_CHECKING:
    import builtins


def _compare(where: str, ufunc: Any, input: Any, other: Any) -> Tensor:
    if input.__class__ is Tensor:  # the usual cases, at a third of the time
        a = input.array
        if other.__class__ is Tensor and other.array.dtype is a.dtype:
            return wrap(zero_dim(ufunc(a, other.array)))
        if other.__class__ is int or (other.__class__ is float and a.dtype.kind == "f"):
            return wrap(zero_dim(ufunc(a, other)))
    x, y = same_dtype(where, input, other)
    return wrap(zero_dim(ufunc(x.array, y.array)))


@tensor_method(ufunc="equal")
def eq(input: Tensor, other: Any) -> Tensor:
    """input == other."""
    return _compare("eq", np.equal, input, other)


@tensor_method("not_equal", ufunc="not_equal")
def ne(input: Tensor, other: Any) -> Tensor:
    """input != other."""
    return _compare("ne", np.not_equal, input, other)


@tensor_method("__lt__", "less", ufunc="less")
def lt(input: Tensor, other: Any) -> Tensor:
    """input < other."""
    return _compare("lt", np.less, input, other)


@tensor_method("__le__", "less_equal", ufunc="less_equal")
def le(input: Tensor, other: Any) -> Tensor:
    """input <= other."""
    return _compare("le", np.less_equal, input, other)


@tensor_method("__gt__", "greater", ufunc="greater")
def gt(input: Tensor, other: Any) -> Tensor:
    """input > other."""
    return _compare("gt", np.greater, input, other)


@tensor_method("__ge__", "greater_equal", ufunc="greater_equal")
def ge(input: Tensor, other: Any) -> Tensor:
    """input >= other."""
    return _compare("ge", np.greater_equal, input, other)


# What is no number is unequal to every tensor; Python then answers for ``tensor == None``.
Tensor.__eq__ = lambda self, other: (  # type: ignore[method-assign]
    eq(self, other) if is_operand(other) else NotImplemented
)
Tensor.__ne__ = lambda self, other: (  # type: ignore[method-assign]
    ne(self, other) if is_operand(other) else NotImplemented
)


@tensor_method(ufunc="isnan")
def isnan(input: Tensor) -> Tensor:
    """Which elements are NaN."""
    return wrap(zero_dim(np.isnan(input.array)))


@tensor_method(ufunc="isinf")
def isinf(input: Tensor) -> Tensor:
    """Which elements are plus or minus infinity."""
    return wrap(zero_dim(np.isinf(input.array)))


@tensor_method(ufunc="isfinite")
def isfinite(input: Tensor) -> Tensor:
    """Which elements are neither NaN nor infinite."""
    return wrap(zero_dim(np.isfinite(input.array)))


def _same_kind(where: str, input: Tensor, other: Tensor) -> None:
    for x in (input, other):
        if not isinstance(x, Tensor):
            raise TypeError(f"{where}: expected tensors, got {type(x).__name__}")
    if input.dtype != other.dtype:
        raise TypeError(f"{where}: input is {input.dtype} but other {other.dtype}")


@tensor_method()
def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: builtins.bool = False,
) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|.

    Raises
    ------
    TypeError
        Two dtypes.
    """
    _same_kind("isclose", input, other)
    close = np.isclose(input.array, other.array, rtol, atol, equal_nan)
    return wrap(zero_dim(close))


@tensor_method()
def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: builtins.bool = False,
) -> builtins.bool:
    """True if `isclose` holds everywhere."""
    _same_kind("allclose", input, other)
    return bool(np.isclose(input.array, other.array, rtol, atol, equal_nan).all())


@tensor_method()
def equal(input: Tensor, other: Tensor) -> builtins.bool:
    """True if shapes and all values are the same; NaN is unequal to itself."""
    return bool(np.array_equal(input.array, other.array))


def _truth(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


@tensor_method(ufunc="logical_and")
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """True where both are not 0."""
    return wrap(zero_dim(np.logical_and(_truth(input), _truth(other))))


@tensor_method(ufunc="logical_or")
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """True where either is not 0."""
    return wrap(zero_dim(np.logical_or(_truth(input), _truth(other))))


@tensor_method(ufunc="logical_xor")
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """True where exactly one is not 0."""
    return wrap(zero_dim(np.logical_xor(_truth(input), _truth(other))))


@tensor_method(ufunc="logical_not")
def logical_not(input: Tensor) -> Tensor:
    """True where the element is 0."""
    return wrap(zero_dim(np.logical_not(input.array)))


def _bitwise(where: str, ufunc: Any, input: Any, other: Any) -> Tensor:
    a, b = same_dtype(where, input, other)
    if a.array.dtype.kind == "f":
        raise TypeError(f"{where}: expected integers or bools, got {a.dtype}")
    return wrap(zero_dim(ufunc(a.array, b.array)))


@tensor_method("__and__", "__rand__", ufunc="bitwise_and")
def bitwise_and(input: Any, other: Any) -> Tensor:
    """input & other: of bools, true where both are.

    Raises
    ------
    TypeError
        Floats.
    """
    return _bitwise("bitwise_and", np.bitwise_and, input, other)


@tensor_method("__or__", "__ror__", ufunc="bitwise_or")
def bitwise_or(input: Any, other: Any) -> Tensor:
    """input | other: of bools, true where either is. TypeError for floats."""
    return _bitwise("bitwise_or", np.bitwise_or, input, other)


@tensor_method("__xor__", "__rxor__", ufunc="bitwise_xor")
def bitwise_xor(input: Any, other: Any) -> Tensor:
    """input ^ other: of bools, true where exactly one is. TypeError for floats."""
    return _bitwise("bitwise_xor", np.bitwise_xor, input, other)


@tensor_method("__invert__", ufunc="invert")
def bitwise_not(input: Tensor) -> Tensor:
    """~input: of bools, true where it is not. TypeError for floats."""
    if input.array.dtype.kind == "f":
        raise TypeError(f"bitwise_not: expected integers or bools, got {input.dtype}")
    return wrap(zero_dim(~input.array))
