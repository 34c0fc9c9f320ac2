"""Anomaly detection: which gate first gave NaN or infinity, and the line of code that made it."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import watch

if TYPE_CHECKING:
    from tinygrad_cv.engine.gate import Gate

_enabled: ContextVar[bool] = ContextVar("detect_anomaly", default=False)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def enabled() -> bool:
    """True inside `detect_anomaly` in this thread."""
    return _enabled.get()


class detect_anomaly:
    """Inside, the first NaN or infinity of a forward or backward pass is a RuntimeError.

    It names the gate and the line of the user's code that made it. Slow: every value is looked at.

    Parameters
    ----------
    mode : bool
        False switches the detection off inside.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> with tg.detect_anomaly():  # doctest: +IGNORE_EXCEPTION_DETAIL
    ...     tg.tensor([0.0]).log()
    Traceback (most recent call last):
    RuntimeError: Log gave -inf at index (0,) ...
    """

    __slots__ = ("mode", "tokens")

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode
        self.tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        watch.add()
        self.tokens.append(_enabled.set(self.mode))

    def __exit__(self, *error: object) -> None:
        _enabled.reset(self.tokens.pop())
        watch.remove()


def user_line() -> str:
    """File, line and function of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _first_bad(array: Any) -> tuple[tuple[int, ...], float] | None:
    if getattr(array, "dtype", None) is None or array.dtype.kind != "f":
        return None
    finite = np.isfinite(array)
    if finite.all():
        return None
    index = tuple(int(i) for i in np.argwhere(~finite)[0])
    return index, float(array[index])


def check_value(gate: Gate, value: Any) -> None:
    """Raise RuntimeError if the gate's value has a NaN or infinity."""
    bad = _first_bad(value)
    if bad is not None:
        index, number = bad
        raise RuntimeError(
            f"{type(gate).__name__} gave {number} at index {index} of its value, at {user_line()}"
        )


def check_gradients(gate: Gate, parts: tuple[Any, ...]) -> None:
    """Raise RuntimeError if a gradient that the gate's backward returned has a NaN or infinity."""
    made_at = gate.extra.made_at if gate.extra is not None else None
    for position, part in enumerate(parts):
        bad = _first_bad(getattr(part, "array", part))
        if bad is not None:
            index, number = bad
            raise RuntimeError(
                f"{type(gate).__name__} gave {number} at index {index} of the gradient for its "
                f"input {position}; the gate was made at {made_at or 'an unwatched line'}"
            )
