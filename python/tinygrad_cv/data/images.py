"""Labelled images of one size, held in memory as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import _core
from tinygrad_cv.data.dataset import Dataset, by_row, default_collate, rows_of
from tinygrad_cv.engine.tensor import Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


class ImageDataset(Dataset):
    """Images and labels as arrays; samples as float32 in [0, 1].

    A sample is ``(image, label)``: a tensor of shape (C, H, W), float32 in [0, 1], and an int. A
    slice or an array of indices gives ``(images, labels)``, tensors of shapes (n, C, H, W) and (n,),
    cut at once; a `DataLoader` takes its batches so. A subclass that overrides `__getitem__` gets
    its batches sample by sample.

    Parameters
    ----------
    images : ndarray, uint8, shape (N, C, H, W)
    labels : ndarray of integers, shape (N,)
        0 <= label < len(classes).
    classes : sequence of str
        Names of the classes.
    transform : callable, optional
        Takes an image (uint8, C x H x W) and returns what the sample shall hold in its place, say an
        array or a tensor. One with an attribute ``batched = True`` takes whole batches
        (uint8, n x C x H x W) instead and is called once for each.

    Attributes
    ----------
    images, labels, classes, transform
        As given; labels are int64.
    shape : (C, H, W)
        Of an image.

    Raises
    ------
    TypeError
        Images that are not uint8, or labels that are not integers.
    ValueError
        Other shapes, different numbers of images and labels, or a label without a class.

    Examples
    --------
    >>> data = ImageDataset(np.full((3, 1, 2, 2), 51, np.uint8), np.array([1, 0, 1]), ["a", "b"])
    >>> image, label = data[0]
    >>> image.shape, label, [batch.shape for batch in data[1:]]
    ((1, 2, 2), 1, [(2, 1, 2, 2), (2,)])
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[Any],
        classes: Sequence[str],
        transform: Callable[[NDArray[np.uint8]], Any] | None = None,
    ) -> None:
        _check(images, labels, classes, transform)
        self.images = images
        self.labels = labels.astype(np.int64)
        self.classes = tuple(classes)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.images.shape
        return channels, height, width

    def __repr__(self) -> str:
        return f"ImageDataset({len(self):,} images {self.images.shape[1:]}, {len(self.classes)} classes)"

    def __getitem__(self, index: Any) -> Any:
        rows = rows_of("ImageDataset", index, len(self))
        if not isinstance(rows, int):
            return self.get_batch(rows)
        return apply(self.transform, self.images[rows]), int(self.labels[rows])

    @by_row
    def get_batch(self, indices: NDArray[np.int64]) -> tuple[Any, Tensor]:
        """The images and labels at `indices`, as (n, C, H, W) and (n,)."""
        images = self.images.take(indices, axis=0)
        if self.transform is None or getattr(self.transform, "batched", False):
            batch = as_tensor(
                to_float(images) if self.transform is None else self.transform(images)
            )
        else:
            batch = default_collate([apply(self.transform, image) for image in images])
        return batch, wrap(self.labels.take(indices))

    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images as rows (N, C * H * W), uint8 and without a copy, and labels, for estimators."""
        return self.images.reshape(len(self), -1), self.labels


def apply(transform: Callable[[NDArray[np.uint8]], Any] | None, image: NDArray[np.uint8]) -> Any:
    """What a sample holds in place of one image of bytes: float32 in [0, 1] without a transform."""
    if transform is None:
        return wrap(to_float(image))
    if getattr(transform, "batched", False):
        return as_tensor(transform(image[None]))[0]
    return as_tensor(transform(image))


def to_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as float32 in [0, 1].

    Examples
    --------
    >>> to_float(np.array([0, 51, 255], np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    scaled: NDArray[np.float32] = _core.byte_units(np.ascontiguousarray(images))
    return scaled


def as_tensor(value: Any) -> Any:
    """An array as a tensor that shares its memory; anything else as it is."""
    return wrap(value) if isinstance(value, np.ndarray) else value


def _check(images: Any, labels: Any, classes: Sequence[str], transform: Any) -> None:
    if images.dtype != np.uint8:
        raise TypeError(f"ImageDataset: images must be uint8, got {images.dtype}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"ImageDataset: labels must be integers, got {labels.dtype}")
    if images.ndim != 4:
        raise ValueError(f"ImageDataset: images must be N x C x H x W, got shape {images.shape}")
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"ImageDataset: {len(images)} images {images.shape} but labels of shape {labels.shape}"
        )
    bad = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if bad.size:
        raise ValueError(
            f"ImageDataset: label {bad[0]} is {labels[bad[0]]} "
            f"but there are classes 0 to {len(classes) - 1}"
        )
    if transform is not None and not callable(transform):
        raise TypeError(f"ImageDataset: transform must be callable, got {transform!r}")
