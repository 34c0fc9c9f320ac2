"""Image files in one folder for each class."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.data.dataset import Dataset, default_collate, fetch_samples, rows_of
from tinygrad_cv.data.image_file import load_image
from tinygrad_cv.data.images import ImageDataset, apply

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class ImageFolder(Dataset):
    """The image files of ``root/class/…``; a sample is read when it is asked for.

    A sample is ``(image, label)``: a tensor of shape (C, H, W), float32 in [0, 1], and an int. To make
    batches, images must have one size: crop or resize them in a transform.

    Parameters
    ----------
    root : path-like
        Its folders are the classes; files in folders below them count too.
    transform : callable, optional
        Takes an image (uint8, C x H x W) and returns what the sample shall hold in its place.
    channels : {3, 1, None}
        Colour, grey, or what each file has.
    on_error : {"raise", "skip"}
        What a batch does with a file that is no image: end with an error that names it, or go on
        without it.
    one_size : bool
        A file whose image has not the size of the first is as bad as one that is no image.

    Attributes
    ----------
    shape : (C, H, W)
        Of the first file that is an image.
    classes : tuple of str
        Names of the folders, sorted.
    class_to_idx : dict
        The label of each class.
    samples : list of (Path, int)
        The files and their labels, sorted by class and path.
    labels : ndarray, int64
        The labels of `samples`.
    broken : dict
        The files that were left out so far, and what is wrong with each.

    Raises
    ------
    FileNotFoundError
        No such folder, no folder in it, or a class without images.
    ValueError
        Another `on_error`. On access: a file that is no image, or damaged; it is named. With "skip",
        only where a batch has no other, or one sample is asked for.

    Examples
    --------
    >>> pictures = ImageFolder("pictures")  # doctest: +SKIP
    >>> pictures.classes  # doctest: +SKIP
    ('cat', 'dog')
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[NDArray[np.uint8]], Any] | None = None,
        channels: int | None = 3,
        on_error: str = "raise",
        one_size: bool = False,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"ImageFolder: on_error must be 'raise' or 'skip', got {on_error!r}")
        self.root = Path(root).expanduser()
        self.transform = transform
        self.channels = channels
        self.on_error = on_error
        self.one_size = one_size
        self.broken: dict[Path, str] = {}
        self.classes = _classes(self.root)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.samples = [
            (path, label)
            for name, label in self.class_to_idx.items()
            for path in _images(self.root / name)
        ]
        self.labels = np.array([label for _, label in self.samples], np.int64)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        rows = rows_of("ImageFolder", index, len(self))
        if not isinstance(rows, int):
            return self.get_batch(rows)
        path, label = self.samples[rows]
        return apply(self.transform, self._pixels(path)), label

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._first[0]

    @cached_property
    def _first(self) -> tuple[tuple[int, int, int], Path]:
        """The shape of the first file that is an image, and its path."""
        for path, _ in self.samples:
            image = self._if_whole(path, lambda path: load_image(path, self.channels))
            if image is not None:
                channels, height, width = image.shape
                return (channels, height, width), path
        raise ValueError(f"ImageFolder: no file of {self.root} is an image")

    def _pixels(self, path: Path) -> NDArray[np.uint8]:
        image = load_image(path, self.channels)
        if self.one_size and image.shape != self.shape:
            raise ValueError(
                f"ImageFolder: {path} is {image.shape[2]} x {image.shape[1]} pixels but "
                f"{self._first[1]} is {self.shape[2]} x {self.shape[1]}; images must have one size"
            )
        return image

    def _if_whole(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """What is read from a file; None where it is broken and `on_error` lets it be left out."""
        try:
            return read(path)
        except (OSError, ValueError) as error:
            if self.on_error == "raise":
                raise
            self.broken[path] = str(error)
            return None

    def part(self, indices: ArrayLike) -> ImageFolder:
        """The same folder with the files at these indices alone; it shares `shape` and `broken`."""
        rows = rows_of("ImageFolder", np.asarray(indices).reshape(-1), len(self))
        _ = self.shape  # found before the copy is made
        chosen = copy.copy(self)
        chosen.samples = [self.samples[row] for row in rows.tolist()]
        chosen.labels = self.labels[rows]
        return chosen

    def in_memory(self) -> ImageDataset:
        """All images as one array, without broken ones where `on_error` says so.

        Raises
        ------
        ValueError
            A file that is no image or has another size than the first, or no image at all.
        """
        alike = copy.copy(self)
        alike.one_size = True
        images, labels = [], []
        for path, label in self.samples:
            image = self._if_whole(path, alike._pixels)
            if image is not None:
                images.append(image)
                labels.append(label)
        if not images:
            raise ValueError(f"ImageFolder: no file of {self.root} is an image")
        return ImageDataset(np.stack(images), np.array(labels), self.classes, self.transform)

    def left_out(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the samples at `indices` a batch was made without."""
        return np.array([self.samples[row][0] in self.broken for row in indices.tolist()], bool)

    def get_batch(self, indices: NDArray[np.int64]) -> Any:
        """The samples at `indices`, collated, without broken files where `on_error` says so."""
        if self.on_error == "raise":
            return fetch_samples(self, indices)

        def sample(row: int) -> Any:
            return self._if_whole(self.samples[row][0], lambda _: self[row])

        read = [sample(row) for row in indices.tolist()]
        samples = [sample for sample in read if sample is not None]
        if not samples and len(indices):
            raise ValueError(
                f"ImageFolder: none of the {len(indices)} files of a batch is an image; the last: "
                f"{self.broken[self.samples[indices[-1]][0]]}"
            )
        return default_collate(samples)


def _classes(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        raise FileNotFoundError(f"ImageFolder: root is {str(root)!r}, which is not a folder")
    names = tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir()))
    if not names:
        raise FileNotFoundError(f"ImageFolder: {root} has no folders; each class needs one")
    return names


def _images(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"ImageFolder: {folder} has no images ({', '.join(sorted(SUFFIXES))})"
        )
    return found
