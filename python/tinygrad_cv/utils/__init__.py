"""PyTorch's names for what lives elsewhere here: ``utils.data``, ``utils.checkpoint``."""

from __future__ import annotations

import sys

from tinygrad_cv import data
from tinygrad_cv.utils import checkpoint

# The same module under both names, so that `from tinygrad_cv.utils.data import DataLoader` works.
sys.modules[f"{__name__}.data"] = data

__all__ = ["checkpoint", "data"]
