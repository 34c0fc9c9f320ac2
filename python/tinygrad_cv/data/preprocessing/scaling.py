"""Features moved to mean 0, to deviation 1, or to the range from -1 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from tinygrad_cv.data.preprocessing.transformer import (
    Transformer,
    check_channels,
    moments,
    result_type,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Affine(OneToOneFeatureMixin, Transformer):
    """(x - offset) / scale, feature by feature."""

    _offset: NDArray[Any]
    _scale: NDArray[Any]

    def transform(self, X: Any) -> NDArray[Any]:
        """Rows with the fitted offset and scale applied; float32 for float32 and uint8."""
        rows = self._rows(X)
        dtype = result_type(rows)
        moved = np.subtract(rows, self._offset.astype(dtype), dtype=dtype)
        moved /= self._scale.astype(dtype)
        return moved

    def inverse_transform(self, X: Any) -> NDArray[Any]:
        """Rows as they were before `transform`, as floats."""
        rows = self._rows(X)
        dtype = result_type(rows)
        back: NDArray[Any] = rows * self._scale.astype(dtype) + self._offset.astype(dtype)
        return back


class MeanSubtraction(_Affine):
    """Subtracts the training rows' mean.

    Parameters
    ----------
    channels : int, optional
        Rows are images of so many channels, one after the other: one mean for each channel. By
        default each feature (each pixel: the mean image) has its own.

    Attributes
    ----------
    mean_ : ndarray of float64, shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> MeanSubtraction().fit_transform(np.array([[1, 8], [3, 4]], np.uint8))
    array([[-1.,  2.],
           [ 1., -2.]], dtype=float32)
    """

    def __init__(self, *, channels: int | None = None) -> None:
        self.channels = channels

    def fit(self, X: Any, y: Any = None) -> MeanSubtraction:
        """Take the mean of the rows; y is not looked at."""
        rows = self._rows(X, reset=True)
        check_channels(self, rows.shape[1])
        self.mean_, _ = moments(rows, self.channels)
        self._offset, self._scale = self.mean_, np.ones_like(self.mean_)
        return self


class StandardScaler(_Affine):
    """Subtracts the training rows' mean and divides by their standard deviation.

    Parameters
    ----------
    with_mean, with_std : bool
        Whether to subtract, whether to divide.
    channels : int, optional
        As in `MeanSubtraction`.

    Attributes
    ----------
    mean_, scale_ : ndarray of float64, shape (n_features,)
        A feature that never changes has scale 1.

    Examples
    --------
    >>> import numpy as np
    >>> StandardScaler().fit_transform(np.array([[1.0, 8.0], [3.0, 4.0]]))
    array([[-1.,  1.],
           [ 1., -1.]])
    """

    def __init__(
        self, *, with_mean: bool = True, with_std: bool = True, channels: int | None = None
    ) -> None:
        self.with_mean = with_mean
        self.with_std = with_std
        self.channels = channels

    def fit(self, X: Any, y: Any = None) -> StandardScaler:
        """Take mean and deviation of the rows; y is not looked at."""
        rows = self._rows(X, reset=True)
        check_channels(self, rows.shape[1])
        self.mean_, variance = moments(rows, self.channels)
        # What rounding alone leaves of a constant is no variance.
        constant = variance <= (10 * np.finfo(np.float64).eps * abs(self.mean_)) ** 2
        self.scale_ = np.where(constant, 1.0, np.sqrt(variance))
        one = np.ones_like(self.mean_)
        self._offset = self.mean_ if self.with_mean else 0 * one
        self._scale = self.scale_ if self.with_std else one
        return self


class RangeScaler(_Affine):
    """Maps the range of the training rows to [-1, 1].

    Parameters
    ----------
    per_feature : bool
        Each feature has its own range; by default all have one, which keeps images images.

    Attributes
    ----------
    data_min_, data_max_ : ndarray of float64, shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> RangeScaler().fit_transform(np.array([[0, 255], [51, 204]], np.uint8))
    array([[-1. ,  1. ],
           [-0.6,  0.6]], dtype=float32)
    """

    def __init__(self, *, per_feature: bool = False) -> None:
        self.per_feature = per_feature

    def fit(self, X: Any, y: Any = None) -> RangeScaler:
        """Take the smallest and the largest values of the rows; y is not looked at."""
        rows = self._rows(X, reset=True)
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
        if not self.per_feature:
            low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        self.data_min_, self.data_max_ = low, high
        self._offset = low / 2 + high / 2
        self._scale = np.where(high > low, high / 2 - low / 2, 1.0)
        return self
