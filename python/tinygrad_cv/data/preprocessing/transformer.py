"""What the transformers share: dtypes, and statistics over features or over an image's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 4096  # rows that are converted at once


class Transformer(TransformerMixin, BaseEstimator):
    """Base class: float32 stays float32, and bytes become it."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _rows(self, X: Any, reset: bool = False) -> NDArray[Any]:
        """Checked rows: uint8, float32 or float64."""
        if not reset:
            check_is_fitted(self)
        rows: NDArray[Any] = validate_data(
            self, X, reset=reset, dtype=(np.float64, np.float32, np.uint8)
        )
        return rows


def result_type(rows: NDArray[Any]) -> Any:
    """The dtype that a transformer gives for such rows."""
    return np.float64 if rows.dtype == np.float64 else np.float32


def moments(rows: NDArray[Any], channels: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and variance of each feature, in float64; of all features of a channel alike."""
    mean = rows.mean(axis=0, dtype=np.float64)
    if channels is not None:
        mean = _over_channels(mean, channels)
    squares = np.zeros(rows.shape[1])
    for begin in range(0, len(rows), CHUNK):
        difference = rows[begin : begin + CHUNK] - mean
        squares += np.einsum("ij,ij->j", difference, difference)
    variance = squares / len(rows)
    return mean, variance if channels is None else _over_channels(variance, channels)


def check_channels(estimator: Any, features: int) -> None:
    """Refuses a number of channels that does not divide the features.

    Raises
    ------
    ValueError
    """
    channels = estimator.channels
    if channels is not None and (
        not isinstance(channels, (int, np.integer)) or channels < 1 or features % channels
    ):
        raise ValueError(
            f"The 'channels' parameter of {type(estimator).__name__} must be None or divide the "
            f"{features} features. Got {channels!r} instead."
        )


def _over_channels(values: NDArray[Any], channels: int) -> NDArray[Any]:
    """The mean over each channel's features, for every feature."""
    each = values.reshape(channels, -1).mean(axis=1)
    return np.repeat(each, len(values) // channels)
