"""Pictures of training runs, classifiers, networks and circuits."""

from __future__ import annotations

from tinygrad_cv.viz.circuit import Circuit, record
from tinygrad_cv.viz.curves import draw_curves
from tinygrad_cv.viz.drawing import Drawing, draw_circuit
from tinygrad_cv.viz.templates import templates
from tinygrad_cv.viz.validation import draw_validation

__all__ = [
    "Circuit",
    "Drawing",
    "draw_circuit",
    "draw_curves",
    "draw_validation",
    "record",
    "templates",
]
