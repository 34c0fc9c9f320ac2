"""Linear algebra under PyTorch's names: ``tg.linalg.norm``, ``tg.linalg.vector_norm``."""

from __future__ import annotations

from tinygrad_cv.functional.linalg import matmul
from tinygrad_cv.functional.norms import linalg_norm as norm
from tinygrad_cv.functional.norms import matrix_norm, vector_norm

__all__ = ["matmul", "matrix_norm", "norm", "vector_norm"]
