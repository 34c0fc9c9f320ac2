"""Tensors in another dtype or on another device."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.gates.arithmetic import Cast


@tensor_method()
def to(input: Tensor, *args: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The tensor as another dtype or on another device: ``x.to(tg.float64)``, ``x.to("cpu")``.

    Returns the tensor itself where nothing changes. Gradients come back in its own dtype; what
    becomes integers or bools leaves the graph.

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
    if np.dtype(dtype).kind != "f":
        return wrap(input.array.astype(dtype))
    return Cast(np.dtype(dtype))(input)


def _cast(name: str, dtype: str) -> None:
    """Give `Tensor` a method of that name."""

    def method(self: Tensor) -> Tensor:
        return to(self, dtype)

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"The tensor as {dtype}; itself if it is that already."
    setattr(Tensor, name, method)


_cast("half", "float16")
_cast("float", "float32")
_cast("double", "float64")
_cast("bool", "bool")
_cast("byte", "uint8")
_cast("char", "int8")
_cast("short", "int16")
_cast("int", "int32")
_cast("long", "int64")


@tensor_method()
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of `other`."""
    return to(input, other.dtype)
