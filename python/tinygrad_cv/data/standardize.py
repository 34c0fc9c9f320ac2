"""Bytes to numbers of mean 0 and variance 1, channel by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tinygrad_cv.data.images import ImageDataset


class Standardize:
    """(x / 255 - mean) / std for each channel: a transform for `ImageDataset` and `ImageFolder`.

    Takes bytes, or floats in [0, 1], which are not divided by 255; gives float32.

    Parameters
    ----------
    mean, std : sequence of float
        One for each channel, of values in [0, 1].

    Raises
    ------
    ValueError
        Different numbers of means and deviations, or a deviation of 0 or less.

    Notes
    -----
    The numbers must come from the training images alone, and hold for the test images as well.

    References
    ----------
    CS231n notes, "Neural networks part 2", section on data preprocessing.

    Examples
    --------
    >>> Standardize([0.5], [0.25])(np.array([[[[0, 255]]]], np.uint8)).tolist()
    [[[[-2.0, 2.0]]]]
    """

    batched = True  # takes (n, C, H, W)

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = [float(m) for m in mean], [float(s) for s in std]
        if len(self.mean) != len(self.std) or not all(s > 0 for s in self.std):
            raise ValueError(
                f"Standardize: a mean and a deviation above 0 for each channel, got mean={mean}, "
                f"std={std}"
            )
        shape = (-1, 1, 1)
        scale = np.reshape(self.std, shape)
        self._factor = (1 / (255 * scale)).astype(np.float32)
        self._shift = (np.reshape(self.mean, shape) / scale).astype(np.float32)

    @classmethod
    def of(cls, images: ImageDataset) -> Standardize:
        """The transform that brings these images to mean 0 and variance 1.

        Raises
        ------
        ValueError
            A channel whose pixels are all alike.
        """
        means, deviations = [], []
        for channel in images.images.transpose(1, 0, 2, 3):
            counts = np.bincount(channel.ravel(), minlength=256)
            values = np.arange(256) / 255
            mean = float(counts @ values / counts.sum())
            means.append(mean)
            deviations.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
        return cls(means, deviations)

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if images.shape[-3] != len(self.mean):
            raise ValueError(
                f"Standardize: images {images.shape} have {images.shape[-3]} channels but there "
                f"are {len(self.mean)} means"
            )
        factor = self._factor if images.dtype == np.uint8 else self._factor * np.float32(255)
        out: Any = np.multiply(images, factor, dtype=np.float32)
        out -= self._shift
        return out

    def __repr__(self) -> str:
        return f"Standardize(mean={self.mean}, std={self.std})"
