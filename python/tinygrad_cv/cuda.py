"""PyTorch's questions about GPUs, as scripts ask them to choose their device."""

from __future__ import annotations

from tinygrad_cv.engine.tensor import require_device

__all__ = ["is_available"]


def is_available() -> bool:
    """Whether ``device("cuda")`` can be used.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> place = tg.device("cuda" if tg.cuda.is_available() else "cpu")
    """
    try:
        require_device("cuda")
    except RuntimeError:
        return False
    return True
