"""Scaling, PCA and whitening of rows as scikit-learn transformers. Needs the `train` extra.

Each is fitted on training rows alone and then applied to others; in a scikit-learn ``Pipeline`` that
happens by itself, in every fold. float32 and uint8 rows give float32, all else float64.
"""

from __future__ import annotations

from tinygrad_cv.optional import require

require("sklearn", extra="train")  # the transformers derive from scikit-learn's base classes

from tinygrad_cv.data.preprocessing.principal import PCA, ZCAWhitening  # noqa: E402
from tinygrad_cv.data.preprocessing.scaling import (  # noqa: E402
    MeanSubtraction,
    RangeScaler,
    StandardScaler,
)

__all__ = ["PCA", "MeanSubtraction", "RangeScaler", "StandardScaler", "ZCAWhitening"]
