"""Training: the loop, what it records, and how a trained network is measured and kept."""

from __future__ import annotations

from typing import Any

from tinygrad_cv.optional import require
from tinygrad_cv.training.architectures import build
from tinygrad_cv.training.checkpoint import Checkpoint, resume
from tinygrad_cv.training.evaluation import Evaluation, evaluate
from tinygrad_cv.training.history import Epoch, History
from tinygrad_cv.training.loggers import CSVLogger, TensorBoardLogger
from tinygrad_cv.training.lr_finder import LearningRates, find_learning_rate
from tinygrad_cv.training.recipe import optimizer_named, regularizer_named, schedule_named
from tinygrad_cv.training.robustness import robustness
from tinygrad_cv.training.run import load_run, save_run
from tinygrad_cv.training.sanity import Check, SanityReport, sanity
from tinygrad_cv.training.trainer import Callback, Trainer

__all__ = [
    "CSVLogger",
    "Callback",
    "Check",
    "Checkpoint",
    "Epoch",
    "Evaluation",
    "History",
    "LearningRates",
    "NetworkClassifier",
    "SanityReport",
    "TensorBoardLogger",
    "Trainer",
    "build",
    "evaluate",
    "find_learning_rate",
    "load_run",
    "optimizer_named",
    "regularizer_named",
    "resume",
    "robustness",
    "sanity",
    "save_run",
    "schedule_named",
]


def __getattr__(name: str) -> Any:
    if name == "NetworkClassifier":  # derives from scikit-learn's base classes
        require("sklearn", extra="train")
        from tinygrad_cv.training.network_classifier import NetworkClassifier

        return NetworkClassifier
    raise AttributeError(f"module 'tinygrad_cv.training' has no attribute {name!r}")
