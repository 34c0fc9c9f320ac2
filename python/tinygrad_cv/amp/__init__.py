"""Mixed precision on a GPU under PyTorch's names: half the bits for factors, and gradients kept in range."""

from __future__ import annotations

from tinygrad_cv.amp.casting import autocast
from tinygrad_cv.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast"]
