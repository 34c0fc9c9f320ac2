"""Training: the loop, what it records, and how a trained network is measured and kept."""

from __future__ import annotations

from tinygrad_cv.training.evaluation import Evaluation, evaluate
from tinygrad_cv.training.history import Epoch, History
from tinygrad_cv.training.run import load_run, save_run
from tinygrad_cv.training.trainer import Callback, Trainer

__all__ = [
    "Callback",
    "Epoch",
    "Evaluation",
    "History",
    "Trainer",
    "evaluate",
    "load_run",
    "save_run",
]
