"""Whole networks."""

from __future__ import annotations

from tinygrad_cv.models.convnet import ConvNet, convnet
from tinygrad_cv.models.lenet import LeNet5
from tinygrad_cv.models.mlp import mlp

__all__ = ["ConvNet", "LeNet5", "convnet", "mlp"]
