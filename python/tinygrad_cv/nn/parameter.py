"""Parameters: the tensors that a module learns."""

from __future__ import annotations

from typing import Any

from tinygrad_cv.engine.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a `Module` counts among its parameters when it is one of its attributes.

    Parameters
    ----------
    data : Tensor or array_like
        Floats. A tensor's memory is shared, anything else is copied.
    requires_grad : bool
        False keeps the optimizer from changing it.

    Raises
    ------
    TypeError
        Integers or bools, which have no gradient; keep them in a buffer
        (`Module.register_buffer`).

    Examples
    --------
    >>> Parameter([1.0, 2.0])
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self.array = data.array.view() if isinstance(data, Tensor) else Tensor(data).array
        self.grad = None
        self.node = None
        if self.array.dtype.kind != "f":
            raise TypeError(
                f"Parameter: only floats can be learned, got {self.array.dtype}; "
                "use register_buffer for other values"
            )
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
