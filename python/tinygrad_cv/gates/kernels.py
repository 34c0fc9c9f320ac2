"""When a kernel is worth its call: for plain arrays of floats, and where NumPy has as good a function
for large ones only.

Reaching a kernel takes 0.9 us, one NumPy function of a few elements 0.5 us, an expression of several
a multiple of that (Zen 4, NumPy 2).
"""

from __future__ import annotations

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.masking import below_mask

_ndarray = np.ndarray
_below_mask = below_mask.get

# Elements from which the kernel is faster than what NumPy does in a single call.
ONE_FUNCTION = 2048  # tanh, exp
ONE_PRODUCT = 8192


def room_for(x, least=0):
    """The room whose kernels are worth calling for an array of at least so many floats, or None."""
    if x.__class__ is _ndarray and x.dtype.char in "fd" and x.size >= least:
        return backend_for(x)
    return None


def kernel_gradient(name, grad, saved, alpha=0.0, least=0):
    """The activation's gradient from one kernel; None where gates must compose it.

    They must when the backward pass records itself, or where a gradient of 0 has to stay 0 beside an
    infinite local gradient.
    """
    if grad.__class__ is not _ndarray or saved.__class__ is not _ndarray or _below_mask():
        return None
    if grad.dtype != saved.dtype:
        return None
    room = room_for(grad, least)
    return None if room is None else room.activation_backward(name, grad, saved, alpha)
