"""The mean of the nearest rows' targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from tinygrad_cv.neighbors.search import KEPT, Neighbors
from tinygrad_cv.neighbors.weights import check_weights, weights_of


class KNeighborsRegressor(RegressorMixin, Neighbors):
    """The mean target of the k nearest training rows, as scikit-learn's class of this name.

    Parameters
    ----------
    n_neighbors : int
        k.
    weights : {"uniform", "distance"}, callable or None
        How much a neighbour counts in the mean.
    metric : str
    p : float
    device : str
        As in `KNeighborsClassifier`, whose notes hold here too.

    Attributes
    ----------
    n_features_in_, n_samples_fit_ : int

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0], [1.0], [5.0]])
    >>> KNeighborsRegressor(2).fit(rows, [1.0, 2.0, 9.0]).predict([[0.4]]).tolist()
    [1.5]
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Any = "uniform",
        metric: str = "minkowski",
        p: float = 2,
        device: str = "cpu",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.p = p
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> KNeighborsRegressor:
        """Keep the rows and their targets.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : array-like of numbers, shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        ValueError
            NaN, no rows, a parameter that cannot be.
        """
        check_weights(self)
        X, self._y = validate_data(
            self, X, y, dtype=KEPT, order="C", multi_output=True, y_numeric=True
        )
        self._keep(X)
        return self

    def predict(self, X: Any) -> Any:
        """The mean of each row's neighbours, shape (n_queries,) or (n_queries, n_outputs)."""
        distances, indices = self.kneighbors(X)
        weights = weights_of(distances, self.weights)
        near = self._y.reshape(len(self._y), -1)[indices]  # (n_queries, k, n_outputs)
        if weights is None:
            mean = near.mean(axis=1)
        else:
            weights = np.asarray(weights, np.float64)[..., None]
            mean = (near * weights).sum(axis=1) / weights.sum(axis=1)
        return mean.ravel() if self._y.ndim == 1 else mean
