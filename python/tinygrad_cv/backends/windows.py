"""Where the windows of adaptive pools lie."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["adaptive_windows"]


def adaptive_windows(length: int, count: int) -> tuple[Any, Any]:
    """Where each of `count` windows over `length` elements begins and ends: arrays of int64.

    Element i lies in the windows adaptive_windows(count, length)[i]: the same with the roles changed.
    """
    index = np.arange(count)
    return index * length // max(count, 1), -(-(index + 1) * length // max(count, 1))
