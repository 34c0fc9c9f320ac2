"""Whole networks."""

from __future__ import annotations

from tinygrad_cv.models.lenet import LeNet5

__all__ = ["LeNet5"]
