"""When a kernel is worth its call: for plain arrays of floats that are not tiny."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.masking import below_mask

_ndarray = np.ndarray
_below_mask = below_mask.get
_WORTH = 256  # elements; below, NumPy's own function is done before the kernel is reached


def room_for(x):
    """The room whose kernels are worth calling for this array, or None."""
    if x.__class__ is _ndarray and x.size >= _WORTH and x.dtype.char in "fd":
        return backend_for(x)
    return None


def kernel_gradient(name, grad, saved, alpha=0.0):
    """The activation's gradient from one kernel; None where gates must compose it.

    They must when the backward pass records itself, or where a gradient of 0 has to stay 0 beside an
    infinite local gradient.
    """
    if grad.__class__ is not _ndarray or grad.dtype != saved.dtype or _below_mask():
        return None
    room = room_for(grad)
    return None if room is None else room.activation_backward(name, grad, saved, alpha)
