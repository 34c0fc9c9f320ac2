"""Places outside: an error on the CPU; NaN on a GPU, whose numbers the host does not wait to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.engine.tensor import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.engine.tensor import Tensor


def within(
    found: Any, low: int, high: int, dtype: np.dtype[Any], message: Callable[[int], str]
) -> tuple[Any, Any]:
    """The ints as they are, and None: all are at least `low` and below `high`.

    On a GPU, if the values of `dtype` that they stand for are floats: 0 in the place of those
    outside, and the mask of these, for `nan_where`.

    Raises
    ------
    IndexError
        An int outside, where the host may look; `message` makes the text of the first.
    """
    bad = (found < low) | (found >= high)
    if on_gpu(found) and dtype.kind == "f" and high > 0:
        return np.where(bad, 0, found), bad
    if bad.any():
        raise IndexError(message(int(found[bad][0])))
    return found, None


def nan_where(mask: Any, values: Tensor) -> Tensor:
    """The values, made NaN where the mask is true, as are their gradients; None is no mask."""
    if mask is None:
        return values
    return values * wrap(np.where(mask, np.nan, 1).astype(values.dtype))
