"""Mixed precision on a GPU under PyTorch's names: half the bits for factors, and gradients kept in range."""

from __future__ import annotations

from tinygrad_cv.amp.casting import autocast

__all__ = ["autocast"]
