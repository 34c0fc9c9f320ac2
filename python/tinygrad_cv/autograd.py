"""Gradients under PyTorch's name: ``tg.autograd.grad``, ``tg.autograd.backward``, ``Function``."""

from __future__ import annotations

from tinygrad_cv.engine.backprop import grad
from tinygrad_cv.engine.gate import Gate

__all__ = ["Gate", "grad"]
