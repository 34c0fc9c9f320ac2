"""A block in which a GPU rounds the factors of products and convolutions to 16 bits."""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any

from tinygrad_cv.backends.cuda.precision import AUTOCAST_KINDS, autocast_kind
from tinygrad_cv.engine.device import device

if TYPE_CHECKING:
    from contextvars import Token


class autocast(ContextDecorator):
    """Within the block, or the decorated function, a GPU multiplies float32 as `dtype`.

    Products and convolutions round their factors on tensor cores; their sums, all that lies in
    memory, and every other operation stay float32. GPUs before Ampere (sm_80) round nothing. A
    backward pass rounds where it runs: put ``backward()`` into the block as well.

    Parameters
    ----------
    device_type : {"cuda"}
    dtype : {"float16", "bfloat16"}, or a dtype of that name
        None is "float16", as in PyTorch: 10 bits of fraction, but numbers beyond 65504 become infinite
        and those below 6e-8 zero, so that gradients need a `GradScaler`. "bfloat16" has 7 bits and
        float32's range.
    enabled : bool
        False: the block computes as outside of every autocast.

    Raises
    ------
    RuntimeError
        device_type "cpu": there is nothing to be gained, and so nothing is rounded silently.
    ValueError
        Another device or dtype.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> with autocast("cuda", dtype="bfloat16"):
    ...     (tg.ones(2, 3) @ tg.ones(3)).tolist()  # the CPU goes on in float32
    [3.0, 3.0]
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True) -> None:
        if device(device_type).type == "cpu":
            raise RuntimeError(
                "autocast: the CPU computes float32 in float32; device_type must be 'cuda'"
            )
        name = "float16" if dtype is None else str(dtype)
        if name not in AUTOCAST_KINDS:
            expected = " or ".join(map(repr, AUTOCAST_KINDS))
            raise ValueError(f"autocast: dtype must be {expected}, got {dtype!r}")
        self._kind = AUTOCAST_KINDS[name] if enabled else ""
        self._tokens: list[Token[str]] = []

    def __enter__(self) -> None:
        self._tokens.append(autocast_kind.set(self._kind))

    def __exit__(self, *error: object) -> None:
        autocast_kind.reset(self._tokens.pop())
