"""What is done to modules and gradients beside training: limits, and other forms of a layer."""

from __future__ import annotations

from tinygrad_cv.nn.utils.clip import clip_grad_norm_, clip_grad_value_, get_total_norm
from tinygrad_cv.nn.utils.forms import conv_to_linear, linear_to_conv
from tinygrad_cv.nn.utils.max_norm import max_norm_
from tinygrad_cv.nn.utils.vectors import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "conv_to_linear",
    "get_total_norm",
    "linear_to_conv",
    "max_norm_",
    "parameters_to_vector",
    "vector_to_parameters",
]
