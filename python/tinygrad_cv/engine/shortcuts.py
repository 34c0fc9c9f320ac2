"""Shortcuts: C++ in front of the Python functions that every gate goes through.

`shortcut` decorates such a function: a call goes to C++ (csrc/engine), which takes the usual case
(tensors of one dtype, small dense float arrays, a gate of this package) and leaves all others to the
function. That remains the definition: the shortcut gives the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tinygrad_cv import _core

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def shortcut(plain: F) -> F:
    """The function (or method) with the C++ of its name before it."""
    made: F = _core.shortcut(plain)
    return made


class plain_python:
    """Inside, in all threads, no shortcut is taken: what the tests compare with.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> with plain_python():
    ...     (tensor(2.0) * 3).item()
    6.0
    """

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = _core.use_shortcuts(False)

    def __exit__(self, *error: object) -> None:
        _core.use_shortcuts(self.before)


def connect(**names: Any) -> None:
    """Tell C++ of the classes that the graph is made of, and where rare cases go to."""
    _core.connect_engine(names)
