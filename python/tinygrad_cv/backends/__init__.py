"""The three rooms of kernels and how an array finds its room. Nothing here knows of gates.

`reference` is slow, obviously right NumPy; `cpp` is the default for NumPy arrays; `cuda` takes CuPy's
arrays. Each fulfils `backends/contract.py`.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp import room as _cpp
from tinygrad_cv.backends.precision import get_float32_precision, set_float32_precision
from tinygrad_cv.backends.reference import room as _reference

if TYPE_CHECKING:
    from types import TracebackType

    from tinygrad_cv.backends.contract import Array, Backend

__all__ = ["backend_for", "get_float32_precision", "set_float32_precision", "use_backend"]

_CPU_ROOMS: dict[str, Backend] = {"cpp": _cpp, "reference": _reference}
cpu_room: ContextVar[Backend] = ContextVar("cpu_room", default=_cpp)
_chosen = cpu_room.get
_ndarray = np.ndarray


@_core.shortcut
def backend_for(array: Array) -> Backend:
    """The room whose kernels take this array.

    Parameters
    ----------
    array : numpy.ndarray or cupy.ndarray

    Returns
    -------
    Backend
        For a NumPy array the CPU room that `use_backend` chose, by default "cpp"; for a CuPy array
        the room "cuda".

    Raises
    ------
    TypeError
        The argument is no array that a room takes.

    Examples
    --------
    >>> backend_for(np.zeros(3)).name
    'cpp'
    """
    if array.__class__ is _ndarray or isinstance(array, _ndarray):
        return _chosen()
    kind = type(array)
    if kind.__module__.partition(".")[0] == "cupy":
        from tinygrad_cv.backends.cuda import cuda_room  # imports CuPy

        return cuda_room()
    raise TypeError(
        f"backend_for: array must be a numpy.ndarray, got {kind.__module__}.{kind.__qualname__}"
    )


class use_backend:  # a function in use; a class so that it also works in a with statement
    """Run NumPy arrays on the named room, from now on or for the length of a with block.

    The choice holds for the calling thread (a context, as in `contextvars`): other threads keep
    theirs.

    Parameters
    ----------
    name : {"cpp", "reference"}

    Raises
    ------
    ValueError
        There is no such room.

    Examples
    --------
    >>> with use_backend("reference"):
    ...     backend_for(np.zeros(3)).name
    'reference'
    """

    __slots__ = ("_token",)

    def __init__(self, name: str) -> None:
        if name not in _CPU_ROOMS:
            names = " or ".join(map(repr, _CPU_ROOMS))
            raise ValueError(f"use_backend: name must be {names}, got {name!r}")
        self._token: Token[Backend] = cpu_room.set(_CPU_ROOMS[name])

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cpu_room.reset(self._token)
