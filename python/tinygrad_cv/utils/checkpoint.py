"""Checkpoints under PyTorch's name."""

from __future__ import annotations

from tinygrad_cv.engine.checkpoint import checkpoint, checkpoint_sequential

__all__ = ["checkpoint", "checkpoint_sequential"]
