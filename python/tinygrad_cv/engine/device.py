"""Where a tensor's values live, and how they get elsewhere. CuPy itself is known to the backends alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class device:
    """A place for tensors: ``device("cpu")``, ``device("cuda")`` or ``device("cuda:1")``.

    Raises
    ------
    ValueError
        A name other than these.

    Examples
    --------
    >>> device("cuda:1").index
    1
    """

    __slots__ = ("index", "type")

    def __init__(self, name: str | device) -> None:
        kind, colon, number = str(name).partition(":")
        if kind not in ("cpu", "cuda") or (colon and not number.isdecimal()):
            raise ValueError(f"device: expected 'cpu', 'cuda' or 'cuda:<number>', got {name!r}")
        self.type = kind
        self.index = int(number) if colon else None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (device, str)) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


CPU = device("cpu")
_default = CPU


def set_default_device(name: str | device) -> None:
    """Where tensors go that are made of lists, numbers, NumPy arrays or nothing but a shape.

    It is asked where no ``device=`` is given: by `tensor`, the factories (`zeros`, `randn`, …), and
    so by layers for their parameters. `from_numpy` shares memory and stays on the CPU.

    Raises
    ------
    ValueError, RuntimeError
        As `require_device`.

    Examples
    --------
    >>> set_default_device("cpu")
    >>> get_default_device()
    device('cpu')
    """
    global _default
    _default = require_device(name)


def get_default_device() -> device:
    """What `set_default_device` chose, at first the CPU."""
    return _default


def in_default_place(array: Any) -> Any:
    """The NumPy array on the default device; itself if that is the CPU."""
    return array if _default is CPU else placed(array, _default)


def device_of(array: Any) -> device:
    """Where an array's values are."""
    return CPU if isinstance(array, np.ndarray) else device(f"cuda:{array.device.id}")


def require_device(name: str | device) -> device:
    """The device of that name, if this machine has it.

    Raises
    ------
    ValueError
        An unknown name.
    RuntimeError
        A GPU that cannot be used: no CuPy, no driver, none of that number.
    """
    place = device(name)
    if place.type == "cpu":
        return CPU
    from tinygrad_cv.backends.cuda.devices import require_gpu

    require_gpu(str(place), place.index)
    return place


def placed(array: Any, name: str | device) -> Any:
    """The array on that device; itself if it is there already.

    Raises
    ------
    ValueError, RuntimeError
        As `require_device`.
    """
    place = name if name.__class__ is device else device(name)
    if place.type == "cuda":
        from tinygrad_cv.backends.cuda.devices import moved

        return moved(array, str(place), place.index)
    return to_host(array)


def on_gpu(value: Any) -> bool:
    """Whether it is a CuPy array, whose numbers the host would have to wait for."""
    return type(value).__module__.partition(".")[0] == "cupy"


def to_host(value: Any) -> Any:
    """A CuPy array as NumPy's; anything else as it is."""
    return value.get() if on_gpu(value) else value


def check_one_device(where: str, values: Sequence[Any], error: Exception | None) -> None:
    """Say that arrays are on several devices, where they are; `error` is what that led to.

    Raises
    ------
    RuntimeError
        There are arrays on different devices among the values.
    """
    arrays = [x for x in values if hasattr(x, "dtype") and not isinstance(x, np.generic)]
    places = list(dict.fromkeys(str(device_of(x)) for x in arrays))
    if len(places) > 1:
        raise RuntimeError(
            f"{where}: the tensors are on {' and '.join(places)}; bring them together with "
            f".to({places[-1]!r})"
        ) from error
