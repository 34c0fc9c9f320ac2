"""How functions hang themselves on `Tensor`, and say which NumPy function they stand for."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

from tinygrad_cv.engine.tensor import Tensor, ufuncs
from tinygrad_cv.gates.arithmetic import Cast

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def tensor_method(*names: str, ufunc: str | None = None) -> Callable[[F], F]:
    """Also make the function a method of `Tensor`, under its own and the given names.

    With `ufunc`, NumPy's function of that name calls it for tensors.
    """

    def attach(function: F) -> F:
        for name in (function.__name__, *names):
            setattr(Tensor, name, function)
        if ufunc is not None:
            ufuncs[ufunc] = function
        return function

    return attach


def float_tensor(input: Any, where: str) -> Tensor:
    """The input as a float tensor: integers become float32, as in PyTorch.

    Raises TypeError for what is no tensor or array.
    """
    if input.__class__ is not Tensor and not isinstance(input, Tensor):
        raise TypeError(f"{where}: input must be a Tensor, got {type(input).__name__}")
    return input if input.array.dtype.kind == "f" else Cast("float32")(input)


def dim_index(where: str, dim: Any, ndim: int) -> int:
    """A dimension counted from the front; one of a 0-d tensor is 0.

    Raises IndexError for one that the tensor does not have, TypeError for what is no int.
    """
    try:
        number = index(dim)
    except TypeError:
        raise TypeError(f"{where}: dim must be an int, got {dim!r}") from None
    count = ndim or 1
    if not -count <= number < count:
        raise IndexError(f"{where}: dim {number} but the tensor has {ndim} dimensions")
    return number % count


def ints(where: str, args: tuple[Any, ...], named: Any = None) -> tuple[int, ...]:
    """The numbers of ``f(2, 3)``, ``f((2, 3))`` and, as `named`, ``f(size=(2, 3))`` alike."""
    if named is not None:
        if args:
            raise TypeError(f"{where}: got {args!r} and, by keyword, {named!r}; give one of them")
        args = (named,)
    if len(args) == 1 and not hasattr(args[0], "__index__"):
        args = args[0]
    try:
        return tuple([index(n) for n in args])
    except TypeError:
        raise TypeError(f"{where}: expected ints, got {args!r}") from None


def require_float(where: str, *inputs: Any) -> None:
    """Raise TypeError unless all are float tensors."""
    for x in inputs:
        if not isinstance(x, Tensor):
            raise TypeError(f"{where}: expected a Tensor, got {type(x).__name__}")
        if x.array.dtype.kind != "f":
            raise TypeError(f"{where}: expected floats, got {x.dtype}; use .float() first")
