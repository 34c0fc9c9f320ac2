"""Pictures of training runs, networks and circuits."""

from __future__ import annotations

from tinygrad_cv.viz.circuit import Circuit, record
from tinygrad_cv.viz.curves import draw_curves
from tinygrad_cv.viz.drawing import Drawing, draw_circuit

__all__ = ["Circuit", "Drawing", "draw_circuit", "draw_curves", "record"]
