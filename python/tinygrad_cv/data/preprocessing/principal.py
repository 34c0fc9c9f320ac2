"""Principal components of images, and whitening: features without correlation, of variance 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from tinygrad_cv.data.preprocessing.transformer import CHUNK, Transformer, result_type

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PCA(ClassNamePrefixFeaturesOutMixin, Transformer):
    """Rotates rows to the directions of largest variance, and drops the others.

    Parameters
    ----------
    n_components : int, float or None
        How many directions to keep; a float between 0 and 1: as many as hold that share of the
        variance; None: all.
    whiten : bool
        Divide by the standard deviation along each direction.
    epsilon : float
        Added to the variance before the root, so that directions of noise are not blown up.

    Attributes
    ----------
    mean_ : ndarray of float64, shape (n_features,)
    components_ : ndarray of float64, shape (n_components, n_features)
        Unit vectors; the entry largest in size is positive.
    explained_variance_, explained_variance_ratio_ : ndarray, shape (n_components,)
    n_components_ : int

    Notes
    -----
    By the eigenvectors of the covariance: for images, many rows of a few thousand features.
    Variances are divided by n - 1.

    References
    ----------
    CS231n notes, "Neural networks part 2", section on preprocessing.

    Examples
    --------
    >>> import numpy as np
    >>> PCA(1).fit_transform(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])).round(3) + 0
    array([[-1.414],
           [ 0.   ],
           [ 1.414]])
    """

    def __init__(
        self,
        n_components: float | None = None,
        *,
        whiten: bool = False,
        epsilon: float = 1e-5,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.epsilon = epsilon

    def fit(self, X: Any, y: Any = None) -> PCA:
        """Find the directions; y is not looked at.

        Raises
        ------
        ValueError
            NaN, fewer than two rows, or more components than rows or features.
        """
        rows = self._rows(X, reset=True)
        _check_epsilon(self)
        self.mean_, variances, directions = principal_directions(rows, type(self).__name__)
        share = variances / variances.sum() if variances.sum() > 0 else np.zeros_like(variances)
        keep = self._how_many(share, min(rows.shape))
        self.n_components_ = self._n_features_out = keep
        self.components_ = directions[:keep]
        self.explained_variance_, self.explained_variance_ratio_ = variances[:keep], share[:keep]
        return self

    def _how_many(self, share: NDArray[Any], most: int) -> int:
        asked = self.n_components
        if asked is None:
            return most
        if isinstance(asked, (int, np.integer)) and 1 <= asked <= most:
            return int(asked)
        if 0 < asked < 1:
            return int(np.searchsorted(share.cumsum(), asked)) + 1
        raise ValueError(
            f"n_components={asked!r} must be between 1 and min(n_samples, n_features)={most}, a "
            "float between 0 and 1, or None"
        )

    def _scale(self) -> NDArray[Any]:
        if not self.whiten:
            return np.ones(self.n_components_)
        return np.sqrt(self.explained_variance_ + self.epsilon)

    def transform(self, X: Any) -> NDArray[Any]:
        """Coordinates along the directions, (n_samples, n_components)."""
        return _project(self._rows(X), self.mean_, self.components_.T / self._scale())

    def inverse_transform(self, X: Any) -> NDArray[Any]:
        """Rows of which these are the coordinates, as far as the kept directions tell."""
        check_is_fitted(self)
        X = np.asarray(X)
        dtype = result_type(X)
        back = (self.components_.T * self._scale()).T.astype(dtype)
        rows: NDArray[Any] = X.astype(dtype) @ back + self.mean_.astype(dtype)
        return rows


class ZCAWhitening(OneToOneFeatureMixin, Transformer):
    """Whitens, then rotates back: the whitened rows that are nearest to the rows, still images.

    Parameters
    ----------
    epsilon : float
        Added to the variance along each direction before the root.

    Attributes
    ----------
    mean_ : ndarray of float64, shape (n_features,)
    whitening_ : ndarray of float64, shape (n_features, n_features)
        The symmetric matrix that rows are multiplied with.

    References
    ----------
    Bell & Sejnowski 1997, "The independent components of natural scenes are edge filters".

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).standard_normal((500, 3)) @ [[1, 1, 0], [0, 1, 0], [0, 0, 5]]
    >>> np.cov(ZCAWhitening().fit_transform(rows).T).round(3) + 0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """

    def __init__(self, *, epsilon: float = 1e-5) -> None:
        self.epsilon = epsilon

    def fit(self, X: Any, y: Any = None) -> ZCAWhitening:
        """Find the matrix; y is not looked at.

        Raises
        ------
        ValueError
            NaN, or fewer than two rows.
        """
        rows = self._rows(X, reset=True)
        _check_epsilon(self)
        self.mean_, variances, directions = principal_directions(rows, type(self).__name__)
        self.whitening_ = (directions.T / np.sqrt(variances + self.epsilon)) @ directions
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Whitened rows, (n_samples, n_features)."""
        return _project(self._rows(X), self.mean_, self.whitening_)


def principal_directions(
    rows: NDArray[Any], where: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean, variances (largest first) and directions (rows of a square matrix), in float64."""
    if len(rows) < 2:
        raise ValueError(f"{where}: n_samples={len(rows)} but a variance needs at least 2 rows")
    mean = rows.mean(axis=0, dtype=np.float64)
    dtype = result_type(rows)
    covariance = np.zeros((rows.shape[1], rows.shape[1]))
    for begin in range(0, len(rows), CHUNK):
        centred = (rows[begin : begin + CHUNK] - mean).astype(dtype)
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / (len(rows) - 1))
    directions = vectors.T[::-1]
    largest = abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1.0, 1.0)
    return mean, np.maximum(variances[::-1], 0), directions * signs[:, None]


def _project(rows: NDArray[Any], mean: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """(rows - mean) matrix, in the rows' kind of float."""
    dtype = result_type(rows)
    projected: NDArray[Any] = np.subtract(rows, mean.astype(dtype), dtype=dtype) @ matrix.astype(
        dtype
    )
    return projected


def _check_epsilon(estimator: Any) -> None:
    epsilon = estimator.epsilon
    if not (isinstance(epsilon, (int, float, np.number)) and epsilon >= 0):
        raise ValueError(
            f"The 'epsilon' parameter of {type(estimator).__name__} must be a number of at least 0. "
            f"Got {epsilon!r} instead."
        )
