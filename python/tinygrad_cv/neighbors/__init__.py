"""Nearest neighbours as scikit-learn estimators, on kernels of our own. Needs the `train` extra."""

from __future__ import annotations

from tinygrad_cv.optional import require

require("sklearn", extra="train")  # the estimators derive from scikit-learn's base classes

from tinygrad_cv.neighbors.classification import KNeighborsClassifier  # noqa: E402
from tinygrad_cv.neighbors.regression import KNeighborsRegressor  # noqa: E402
from tinygrad_cv.neighbors.unsupervised import NearestNeighbors  # noqa: E402

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"]
