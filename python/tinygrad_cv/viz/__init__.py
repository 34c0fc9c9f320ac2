"""Pictures of training runs, networks and circuits."""

from __future__ import annotations

from tinygrad_cv.viz.curves import draw_curves

__all__ = ["draw_curves"]
