"""Training: the loop, what it records, and how a trained network is measured and kept."""

from __future__ import annotations

from tinygrad_cv.training.architectures import build
from tinygrad_cv.training.checkpoint import Checkpoint, resume
from tinygrad_cv.training.evaluation import Evaluation, evaluate
from tinygrad_cv.training.history import Epoch, History
from tinygrad_cv.training.loggers import CSVLogger, TensorBoardLogger
from tinygrad_cv.training.recipe import optimizer_named, regularizer_named, schedule_named
from tinygrad_cv.training.run import load_run, save_run
from tinygrad_cv.training.trainer import Callback, Trainer

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "Epoch",
    "Evaluation",
    "History",
    "TensorBoardLogger",
    "Trainer",
    "build",
    "evaluate",
    "load_run",
    "optimizer_named",
    "regularizer_named",
    "resume",
    "save_run",
    "schedule_named",
]
