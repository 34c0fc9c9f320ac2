"""How exact float32 kernels must be: one setting for the process, read by the planners."""

from __future__ import annotations

from tinygrad_cv import _core

__all__ = ["get_float32_precision", "set_float32_precision"]


def set_float32_precision(precision: str) -> None:
    """Choose between the fastest float32 algorithms and those with the error of a plain sum.

    Parameters
    ----------
    precision : {"fast", "exact"}
        "fast" (the default) allows Winograd convolutions, whose error is a small multiple of a plain
        sum's; "exact" rules them out. float64 is always exact.

    Raises
    ------
    ValueError
        Another precision.

    Examples
    --------
    >>> set_float32_precision("exact")
    >>> get_float32_precision()
    'exact'
    >>> set_float32_precision("fast")
    """
    _core.set_float32_precision(precision)


def get_float32_precision() -> str:
    """What `set_float32_precision` chose.

    Examples
    --------
    >>> get_float32_precision()
    'fast'
    """
    return _core.get_float32_precision()
