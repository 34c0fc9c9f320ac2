"""Optimizers: how parameters follow their gradients, under PyTorch's names."""

from __future__ import annotations

from tinygrad_cv.optim import lr_scheduler as lr_scheduler
from tinygrad_cv.optim.adam import Adam, AdamW, NAdam
from tinygrad_cv.optim.adaptive import Adadelta, Adagrad, RMSprop
from tinygrad_cv.optim.lars import LARS
from tinygrad_cv.optim.optimizer import Optimizer
from tinygrad_cv.optim.sgd import SGD

__all__ = [
    "LARS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
]
