"""The reference room: NumPy in loops over the window, slow and obviously right. The oracle."""

from __future__ import annotations

from tinygrad_cv.backends.gather import Room

room = Room("reference", __name__, __path__)
