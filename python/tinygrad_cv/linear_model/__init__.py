"""Linear classifiers as scikit-learn estimators, trained by the engine. Needs the `train` extra."""

from __future__ import annotations

from tinygrad_cv.optional import require

require("sklearn", extra="train")  # the estimators derive from scikit-learn's base classes

from tinygrad_cv.linear_model.softmax import SoftmaxClassifier  # noqa: E402
from tinygrad_cv.linear_model.svm import LinearSVMClassifier  # noqa: E402

__all__ = ["LinearSVMClassifier", "SoftmaxClassifier"]
