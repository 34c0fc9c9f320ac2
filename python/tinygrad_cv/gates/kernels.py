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


def is_array(x):
    """Whether x is a plain array, of NumPy or on a GPU: no tensor, and no number of NumPy's."""
    return x.__class__ is _ndarray or x.__class__.__module__ == "cupy"


def room_for(x, least=0):
    """The room whose kernels are worth calling for an array of at least so many floats, or None."""
    if x.__class__ is _ndarray:
        return backend_for(x) if x.dtype.char in "fd" and x.size >= least else None
    return backend_for(x) if is_array(x) and x.dtype.char in "fd" else None


def kernel_gradient(name, grad, saved, alpha=0.0, least=0):
    """The activation's gradient from one kernel; None where gates must compose it.

    They must when the backward pass records itself, or where a gradient of 0 has to stay 0 beside an
    infinite local gradient.
    """
    if not is_array(grad) or not is_array(saved):  # 0-d: NumPy's scalars
        return None
    if grad.dtype != saved.dtype or _below_mask():
        return None
    room = room_for(grad, least)
    return None if room is None else room.activation_backward(name, grad, saved, alpha)
