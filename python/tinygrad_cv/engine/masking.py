"""Whether the running backward pass has come through a mask.

A branch that `where` did not select gets a gradient of exactly 0, and 0 must stay 0 on its way down,
whatever the local gradients there are: the unselected half of ``where(x > 0, x * log(x), 0)`` is
NaN at x < 0. Products of gradients that could meet NaN or infinity ask here first; the question costs
a few nanoseconds, looking at every product would cost more than the product.

And whether a mask is worth applying, which must not be asked of a GPU: the host would wait for it. What is
done to a GPU's arrays in any case must therefore be right where the mask is false everywhere.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import on_gpu

if TYPE_CHECKING:
    from collections.abc import Callable

below_mask: ContextVar[bool] = ContextVar("below_mask", default=False)


def maybe_any(mask: Any) -> bool:
    """Whether a mask of NumPy's is true anywhere; True for a GPU's."""
    return on_gpu(mask) or bool(mask.any())


def whole_pass(run: Callable[..., Any]) -> Callable[..., Any]:
    """Make `run` a backward pass of its own: no mask met yet, and NumPy silent about NaN."""

    @functools.wraps(run)
    def wrapped(*args: Any) -> Any:
        token = below_mask.set(False)
        try:
            with np.errstate(all="ignore"):
                return run(*args)
        finally:
            below_mask.reset(token)

    return wrapped
