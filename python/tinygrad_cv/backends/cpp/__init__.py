"""The C++ room: checks nothing that the extension checks; copies what the extension wants dense."""

from __future__ import annotations

from tinygrad_cv.backends.gather import Room

room = Room("cpp", __name__, __path__)
