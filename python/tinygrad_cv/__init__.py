"""Automatic differentiation for computer vision with C++ and CUDA kernels."""

from __future__ import annotations

from tinygrad_cv._core import __version__

__all__ = ["__version__"]
