"""Pictures of training runs, classifiers, networks and circuits."""

from __future__ import annotations

from tinygrad_cv.viz.attribution import draw_explanations, grad_cam, occlusion_map, saliency
from tinygrad_cv.viz.circuit import Circuit, record
from tinygrad_cv.viz.confusion import Predictions, draw_confusion, draw_mistakes, predictions
from tinygrad_cv.viz.curves import draw_curves
from tinygrad_cv.viz.drawing import Drawing, draw_circuit
from tinygrad_cv.viz.embedding import draw_embedding, last_features
from tinygrad_cv.viz.filters import activation_maps, draw_activations, draw_filters
from tinygrad_cv.viz.histograms import UpdateHistogram
from tinygrad_cv.viz.landscape import Landscape, loss_landscape
from tinygrad_cv.viz.learning_rates import draw_learning_rates
from tinygrad_cv.viz.robustness import draw_robustness
from tinygrad_cv.viz.templates import templates
from tinygrad_cv.viz.validation import draw_validation

__all__ = [
    "Circuit",
    "Drawing",
    "Landscape",
    "Predictions",
    "UpdateHistogram",
    "activation_maps",
    "draw_activations",
    "draw_circuit",
    "draw_confusion",
    "draw_curves",
    "draw_embedding",
    "draw_explanations",
    "draw_filters",
    "draw_learning_rates",
    "draw_mistakes",
    "draw_robustness",
    "draw_validation",
    "grad_cam",
    "last_features",
    "loss_landscape",
    "occlusion_map",
    "predictions",
    "record",
    "saliency",
    "templates",
]
