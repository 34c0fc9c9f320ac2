"""What the estimators share: rows that are kept, and the search for those nearest to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.device import device, placed, to_host
from tinygrad_cv.neighbors.metric import metric_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Compared as they are; all else becomes float64, as in scikit-learn.
KEPT = (np.float64, np.float32, np.uint8)


class Neighbors(BaseEstimator):
    """Base class: keeps rows, and finds those nearest to given ones."""

    n_neighbors: int
    metric: str
    p: float
    device: str

    def _keep(self, X: NDArray[Any]) -> None:
        metric_of(self)
        device(self.device)
        self._check_count(self.n_neighbors)
        self._fit_X = X
        self.n_samples_fit_ = len(X)

    def _check_count(self, count: Any) -> int:
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
            raise TypeError(f"n_neighbors does not take {type(count)} value, enter integer value")
        if count < 1:
            raise ValueError(f"Expected n_neighbors > 0. Got {count}")
        return int(count)

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """The nearest fitted rows of each row, nearest first.

        Parameters
        ----------
        X : array-like, shape (n_queries, n_features), optional
            None: the fitted rows, none of which is its own neighbour.
        n_neighbors : int, optional
            How many; by default those of the estimator.
        return_distance : bool
        progress : callable, optional
            Called after each part of the work with the number of rows done in it.

        Returns
        -------
        distances : ndarray, shape (n_queries, n_neighbors)
            Only with `return_distance`. float32 where the rows are, else float64.
        indices : ndarray of int64, shape (n_queries, n_neighbors)
            Of equally far rows the one with the lower index comes first.

        Raises
        ------
        ValueError
            NaN, other columns than fitted, or more neighbours than fitted rows.
        """
        check_is_fitted(self, "_fit_X")
        count = self._check_count(self.n_neighbors if n_neighbors is None else n_neighbors)
        own = X is None
        rows = self._fit_X if own else validate_data(self, X, reset=False, dtype=KEPT, order="C")
        if count + own > self.n_samples_fit_:
            raise ValueError(
                f"Expected n_neighbors {'<' if own else '<='} n_samples_fit, but n_neighbors = "
                f"{count}, n_samples_fit = {self.n_samples_fit_}, n_samples = {len(rows)}"
            )
        metric = metric_of(self)
        fitted = self._fit_X
        if rows.dtype != fitted.dtype:  # uint8 beside floats: the smallest type that holds both
            common = np.result_type(rows.dtype, fitted.dtype)
            rows, fitted = rows.astype(common), fitted.astype(common)
        rows, fitted = placed(rows, self.device), placed(fitted, self.device)
        found = backend_for(rows).nearest(
            rows, fitted, count + own, metric.kernel, metric.p, progress
        )
        sums, indices = map(to_host, found)
        if own:
            sums, indices = _without_self(sums, indices)
        return (metric.distances(sums), indices) if return_distance else indices

    def kneighbors_graph(
        self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> Any:
        """A sparse matrix with an entry for each neighbour.

        Parameters
        ----------
        X : array-like, shape (n_queries, n_features), optional
            As in `kneighbors`.
        n_neighbors : int, optional
        mode : {"connectivity", "distance"}
            Entries are 1, or distances.

        Returns
        -------
        scipy.sparse.csr_matrix, shape (n_queries, n_samples_fit)

        Raises
        ------
        ValueError
            Another mode, and as `kneighbors`.
        """
        from scipy.sparse import csr_matrix

        if mode not in ("connectivity", "distance"):
            raise ValueError(
                f'Unsupported mode, must be one of "connectivity", or "distance" but got "{mode}" '
                "instead"
            )
        distances, indices = self.kneighbors(X, n_neighbors)
        rows, count = indices.shape
        entries = np.ones(indices.size) if mode == "connectivity" else distances.ravel()
        starts = np.arange(0, indices.size + 1, count)
        return csr_matrix((entries, indices.ravel(), starts), shape=(rows, self.n_samples_fit_))


def _without_self(sums: NDArray[Any], indices: NDArray[Any]) -> tuple[Any, Any]:
    """Leaves each fitted row out of its own list; the first of its duplicates, if it is not in."""
    rows, count = indices.shape
    keep = indices != np.arange(rows)[:, None]
    keep[keep.all(axis=1), 0] = False
    return sums[keep].reshape(rows, count - 1), indices[keep].reshape(rows, count - 1)
