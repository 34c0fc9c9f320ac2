"""How functions hang themselves on `Tensor`, and say which NumPy function they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tinygrad_cv.engine.tensor import Tensor, ufuncs

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
    from tinygrad_cv.gates.arithmetic import Cast

    if input.__class__ is not Tensor and not isinstance(input, Tensor):
        raise TypeError(f"{where}: input must be a Tensor, got {type(input).__name__}")
    return input if input.array.dtype.kind == "f" else Cast("float32")(input)
