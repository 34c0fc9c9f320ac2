"""The CUDA room: our kernels for the hot work, launched through CuPy; made when first asked for.

What the contract has and this room lacks runs in the reference room, on copies: slow, and right.
"""

from __future__ import annotations

from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from tinygrad_cv.backends.gather import Room
from tinygrad_cv.backends.reference import room as _reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.backends.contract import Backend

__all__ = ["cuda_room"]


class CudaRoom(Room):
    """The room's functions, each run on the device of its first array."""

    def __init__(self) -> None:
        super().__init__("cuda", __name__, __path__)
        for name, function in vars(self).items():
            if callable(function):
                setattr(self, name, _on_its_device(function))

    def __getattr__(self, function: str) -> Any:
        if function.startswith("_") or not hasattr(_reference, function):
            return super().__getattr__(function)
        return through_the_host(getattr(_reference, function))


@cache
def cuda_room() -> Backend:
    """The room; imports CuPy."""
    room: Any = CudaRoom()
    return room


def _on_its_device(function: Callable[..., Any]) -> Callable[..., Any]:
    import cupy as cp

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        for given in args:
            if isinstance(given, cp.ndarray):
                with given.device:
                    return function(*args, **kwargs)
        return function(*args, **kwargs)  # which refuses what it was given

    return run


def through_the_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of NumPy arrays for arrays on the GPU; what it writes to comes back changed."""
    import cupy as cp

    def up(result: Any) -> Any:
        if isinstance(result, tuple):
            return tuple(up(part) for part in result)
        return cp.asarray(result) if hasattr(result, "dtype") else result

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        held: list[tuple[Any, Any, bytes]] = []

        def down(given: Any) -> Any:
            if not isinstance(given, cp.ndarray):
                return given
            host = cp.asnumpy(given)
            held.append((given, host, host.tobytes()))
            return host

        result = function(*map(down, args), **{name: down(v) for name, v in kwargs.items()})
        for array, host, before in held:
            if host.tobytes() != before:
                array.set(host)
        return up(result)

    return run
