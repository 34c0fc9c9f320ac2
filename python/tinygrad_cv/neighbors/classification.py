"""The class that most of the nearest rows have."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from tinygrad_cv.neighbors.search import KEPT, Neighbors
from tinygrad_cv.neighbors.weights import check_weights, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray


class KNeighborsClassifier(ClassifierMixin, Neighbors):
    """Votes of the k nearest training rows, as scikit-learn's class of this name.

    Parameters
    ----------
    n_neighbors : int
        k.
    weights : {"uniform", "distance"}, callable or None
        How much a neighbour counts: 1 each, 1 / distance (at distance 0: those alone), or what the
        callable makes of an array of distances.
    metric : str
        "minkowski" (with `p`), "l1" or "manhattan", "l2" or "euclidean", "sqeuclidean", "cosine",
        "dot" (minus the product: the largest product is nearest), "chebyshev", "hamming".
    p : float
        The power of "minkowski": 1 is "l1", 2 is "l2".
    device : str
        Where rows are compared: "cpu", or "cuda" for a GPU. Arrays stay NumPy's.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,), or a list of them for several outputs
    n_features_in_, n_samples_fit_ : int
    outputs_2d_ : bool
        Whether y had several columns.

    Notes
    -----
    The search is exhaustive and exact. uint8 rows (images) are kept and compared as bytes, with
    integer sums; float32 and float64 as they are; all else as float64. Of equally far rows the one
    with the lower index is the nearer, on every backend and thread count; of equally many votes the
    smallest label wins. Memory stays under the data plus 64 MB, unless X and the fitted rows have
    different dtypes, which takes a copy.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.array([[0, 10], [2, 11], [200, 90], [210, 95]], np.uint8)
    >>> classifier = KNeighborsClassifier(1, metric="l1").fit(images, ["cat", "cat", "dog", "dog"])
    >>> classifier.predict(np.array([[190, 99], [5, 5]], np.uint8)).tolist()
    ['dog', 'cat']
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
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any) -> KNeighborsClassifier:
        """Keep the rows and their labels.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        ValueError
            NaN, no rows, targets that are no classes, a parameter that cannot be.
        """
        check_weights(self)
        X, y = validate_data(self, X, y, dtype=KEPT, order="C", multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the shape "
                "of y to (n_samples,), for example using ravel().",
                DataConversionWarning,
                stacklevel=2,
            )
        check_classification_targets(y)
        self._keep(X)
        self.outputs_2d_ = y.ndim == 2 and y.shape[1] > 1
        columns = y.reshape(len(y), -1).T
        found = [np.unique(column, return_inverse=True) for column in columns]
        self._labels = [codes for _, codes in found]
        classes = [names for names, _ in found]
        self.classes_ = classes if self.outputs_2d_ else classes[0]
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row, shape (n_queries,) or (n_queries, n_outputs).

        X : array-like, shape (n_queries, n_features), or None for the fitted rows, none of which is
        its own neighbour.
        """
        return self._vote(*self.kneighbors(X))

    def predict_for(
        self,
        X: Any,
        n_neighbors: Iterable[int],
        progress: Callable[[int], None] | None = None,
    ) -> dict[int, NDArray[Any]]:
        """Labels for several k from one search, that of the largest.

        Parameters
        ----------
        X : array-like, shape (n_queries, n_features), or None
        n_neighbors : iterable of int
            Each k.
        progress : callable, optional
            As in `kneighbors`.

        Returns
        -------
        dict of int to ndarray
            For each k what `predict` would give.

        Examples
        --------
        >>> import numpy as np
        >>> rows = np.array([[0.0], [2.0], [3.0]])
        >>> classifier = KNeighborsClassifier().fit(rows, [0, 1, 1])
        >>> {k: labels.tolist() for k, labels in classifier.predict_for([[0.9]], [1, 3]).items()}
        {1: [0], 3: [1]}
        """
        counts = [self._check_count(k) for k in n_neighbors]
        if not counts:
            return {}
        distances, indices = self.kneighbors(X, max(counts), progress=progress)
        return {k: self._vote(distances[:, :k], indices[:, :k]) for k in counts}

    def predict_proba(self, X: Any) -> Any:
        """The share of votes for each class, (n_queries, n_classes); a list for several outputs."""
        votes = self._votes(*self.kneighbors(X))
        shares = [each / each.sum(axis=1, keepdims=True) for each in votes]
        return shares if self.outputs_2d_ else shares[0]

    def _votes(self, distances: NDArray[Any], indices: NDArray[Any]) -> list[NDArray[Any]]:
        """For each output the sum of weights that each class gets."""
        weights = weights_of(np.ascontiguousarray(distances), self.weights)
        if weights is None:
            weights = np.ones(indices.shape)
        elif (np.asarray(weights) == 0).all(axis=1).any():
            raise ValueError(
                "All neighbors of some sample is getting zero weights. Please modify 'weights' to "
                "avoid this case if you are using a user-defined function."
            )
        classes = self.classes_ if self.outputs_2d_ else [self.classes_]
        votes = []
        for codes, names in zip(self._labels, classes, strict=True):
            near = codes[indices]
            # Summed class by class, as scikit-learn's mode does: ties then are the same ties.
            by_class = [((near == label) * weights).sum(axis=1) for label in range(len(names))]
            votes.append(np.stack(by_class, axis=1))
        return votes

    def _vote(self, distances: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
        classes = self.classes_ if self.outputs_2d_ else [self.classes_]
        votes = self._votes(distances, indices)
        # argmax takes the first of equal votes: the smallest label.
        labels = [names[each.argmax(axis=1)] for names, each in zip(classes, votes, strict=True)]
        return np.stack(labels, axis=1) if self.outputs_2d_ else labels[0]
