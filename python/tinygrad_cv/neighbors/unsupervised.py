"""The nearest rows themselves."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import validate_data

from tinygrad_cv.neighbors.search import KEPT, Neighbors


class NearestNeighbors(Neighbors):
    """Finds the nearest of the fitted rows, as scikit-learn's class of this name.

    Parameters
    ----------
    n_neighbors : int
        How many `kneighbors` finds.
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
    >>> distances, indices = NearestNeighbors(n_neighbors=2).fit(rows).kneighbors([[4.0]])
    >>> distances.tolist(), indices.tolist()
    ([[1.0, 3.0]], [[2, 1]])
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        metric: str = "minkowski",
        p: float = 2,
        device: str = "cpu",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.p = p
        self.device = device

    def fit(self, X: Any, y: Any = None) -> NearestNeighbors:
        """Keep the rows; y is not looked at.

        X : array-like, shape (n_samples, n_features)

        Raises
        ------
        ValueError
            NaN, no rows, a parameter that cannot be.
        """
        self._keep(validate_data(self, X, dtype=KEPT, order="C"))
        return self
