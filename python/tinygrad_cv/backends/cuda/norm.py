"""Normalisation on the GPU: the reference room's formulas, which CuPy's arrays answer to in place."""

from __future__ import annotations

from tinygrad_cv.backends.reference.elementwise import add_relu, channel_sum, relu_channel_sum
from tinygrad_cv.backends.reference.norm import batch_norm, batch_norm_backward, channel_affine

__all__ = [
    "add_relu",
    "batch_norm",
    "batch_norm_backward",
    "channel_affine",
    "channel_sum",
    "relu_channel_sum",
]
