"""Whether gates are recorded: per thread and per task, by a context variable."""

from __future__ import annotations

import functools
import inspect
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)


def is_grad_enabled() -> bool:
    """True where gates are recorded, which is everywhere outside `no_grad`."""
    return _enabled.get()


class _GradMode:
    """Sets the mode inside a ``with`` block or a decorated function."""

    __slots__ = ("mode", "tokens")

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        watch.add()
        self.tokens.append(_enabled.set(self.mode))

    def __exit__(self, *error: object) -> None:
        _enabled.reset(self.tokens.pop())
        watch.remove()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode = self.mode
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                # The mode holds while the body runs, not while its caller has the value.
                generator = function(*args, **kwargs)
                step, argument = generator.send, None
                while True:
                    try:
                        with _GradMode(mode):
                            got = step(argument)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        step, argument = generator.send, (yield got)
                    except GeneratorExit:
                        with _GradMode(mode):
                            generator.close()
                        raise
                    except BaseException as error:
                        step, argument = generator.throw, error

            return generate

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(mode):
                return function(*args, **kwargs)

        return call


class no_grad(_GradMode):
    """No gate is recorded inside: ``with no_grad():`` or ``@no_grad()`` or ``@no_grad``.

    The mode belongs to the thread (and the asyncio task) that enters it.
    """

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        if function is None:
            return super().__new__(cls)
        return _GradMode(False)(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Gates are recorded inside, although an outer block says `no_grad`."""

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        if function is None:
            return super().__new__(cls)
        return _GradMode(True)(function)

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Gates are recorded inside if `mode` is true: ``with set_grad_enabled(training):``."""

    __slots__ = ()

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))


def inference_mode(mode: Any = True) -> Any:
    """`no_grad` under PyTorch's other name; ``inference_mode(False)`` leaves the mode as it is."""
    if callable(mode):
        return no_grad()(mode)
    return set_grad_enabled(is_grad_enabled() and not mode)
