"""Who watches gates being made: used by `viz.record` to keep a circuit's values and gradients."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Protocol

from tinygrad_cv.engine import watch

if TYPE_CHECKING:
    from tinygrad_cv.engine.gate import Gate


class Recorder(Protocol):
    """What is told of each recorded gate and its value."""

    def gate_made(self, gate: Gate, value: Any) -> None:
        """A gate was recorded, and this array is what it gave."""


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def active() -> Recorder | None:
    """The recorder of this thread, if there is one."""
    return _recorder.get()


def start(recorder: Recorder) -> Token[Recorder | None]:
    """Tell `recorder` of every gate that this thread records, until `stop`."""
    watch.add()
    return _recorder.set(recorder)


def stop(token: Token[Recorder | None]) -> None:
    """End what `start` began."""
    _recorder.reset(token)
    watch.remove()
