"""How exact float32 kernels must be: one setting for the process, read by the planners."""

from __future__ import annotations

__all__ = ["get_float32_precision", "set_float32_precision"]

_precision = "fast"


def set_float32_precision(mode: str) -> None:
    """Choose between the fastest float32 algorithms and those with the error of a plain sum.

    Parameters
    ----------
    mode : {"fast", "exact"}
        "fast" (the default) allows Winograd convolutions, whose error is a small multiple of a plain
        sum's; "exact" rules them out. float64 is always exact.

    Raises
    ------
    ValueError
        Another mode.

    Examples
    --------
    >>> set_float32_precision("exact")
    >>> get_float32_precision()
    'exact'
    >>> set_float32_precision("fast")
    """
    global _precision
    if mode not in ("fast", "exact"):
        raise ValueError(f"set_float32_precision: mode must be 'fast' or 'exact', got {mode!r}")
    _precision = mode


def get_float32_precision() -> str:
    """The mode that `set_float32_precision` set.

    Examples
    --------
    >>> get_float32_precision()
    'fast'
    """
    return _precision
