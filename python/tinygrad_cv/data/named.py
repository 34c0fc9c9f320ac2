"""Data sets by name, as training and test images: what a command line takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_cv.data.cifar import cifar10, cifar100
from tinygrad_cv.data.dataset import random_split
from tinygrad_cv.data.digits import digits
from tinygrad_cv.data.folder import ImageFolder
from tinygrad_cv.data.image_file import load_image
from tinygrad_cv.data.images import ImageDataset
from tinygrad_cv.data.mnist import fashion_mnist, mnist
from tinygrad_cv.engine.random import Generator

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

NAMES = {
    "digits": "12,000 handwritten digits inside the package, 1 x 28 x 28",
    "mnist": "70,000 handwritten digits, 1 x 28 x 28",
    "fashion_mnist": "70,000 pieces of clothing, 1 x 28 x 28",
    "cifar10": "60,000 photographs in ten classes, 3 x 32 x 32",
    "cifar100": "60,000 photographs in a hundred classes, 3 x 32 x 32",
}
_LOADERS = {
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
}
TEST_SHARE = 0.2  # of a folder that has no test images of its own


class Split(NamedTuple):
    """The two parts of a data set."""

    train: ImageDataset
    test: ImageDataset


def named(name: str, root: str | os.PathLike[str] | None = None, *, seed: int = 0) -> Split:
    """The training and the test images of a data set.

    Parameters
    ----------
    name : str
        digits, mnist, fashion_mnist, cifar10, cifar100, or a folder of images: one folder for each
        class, either in ``train`` and ``test`` or, without those, all together, of which a fifth is
        drawn for the test. Its images must have one size.
    root : path-like, optional
        Where the files of a data set are, instead of the download.
    seed : int
        Draws the test images of a folder.

    Raises
    ------
    ValueError
        An unknown name, a root for what needs none, or images of different sizes.
    FileNotFoundError
        Files that are not there; the message says what to put where.

    Examples
    --------
    >>> train, test = named("digits")
    >>> len(train), len(test)
    (10000, 2000)
    """
    if name in _LOADERS:
        load = _LOADERS[name]
        return Split(load(root, train=True), load(root, train=False))
    if root is not None and (name == "digits" or Path(name).is_dir()):
        raise ValueError(f"named: {name} needs no root, got {str(root)!r}")
    if name == "digits":
        return Split(digits(train=True), digits(train=False))
    if Path(name).is_dir():
        return _folder(Path(name), seed)
    raise ValueError(f"named: expected {', '.join(NAMES)} or a folder of images, got {name!r}")


def _folder(path: Path, seed: int) -> Split:
    if (path / "train").is_dir() and (path / "test").is_dir():
        train, test = ImageFolder(path / "train"), ImageFolder(path / "test")
        if train.classes != test.classes:
            raise ValueError(
                f"named: the classes of {path / 'train'} are {train.classes} but those of test "
                f"{test.classes}"
            )
        return Split(_in_memory(train), _in_memory(test))
    whole = _in_memory(ImageFolder(path))
    parts = random_split(whole, [1 - TEST_SHARE, TEST_SHARE], Generator(seed))
    train_part, test_part = (
        ImageDataset(whole.images[p.indices], whole.labels[p.indices], whole.classes) for p in parts
    )
    return Split(train_part, test_part)


def _in_memory(folder: ImageFolder) -> ImageDataset:
    """All images of a folder as one array."""
    images: list[NDArray[np.uint8]] = []
    for path, _ in folder.samples:
        image = load_image(path, 3)
        if images and image.shape != images[0].shape:
            raise ValueError(
                f"named: {path} is {image.shape[2]} x {image.shape[1]} pixels but "
                f"{folder.samples[0][0]} is {images[0].shape[2]} x {images[0].shape[1]}; images "
                "must have one size"
            )
        images.append(image)
    return ImageDataset(np.stack(images), folder.labels, folder.classes)
