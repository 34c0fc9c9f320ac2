"""Data sets by name, as training and test images: what a command line takes."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_cv.data.cifar import cifar10, cifar100
from tinygrad_cv.data.dataset import random_split
from tinygrad_cv.data.digits import digits
from tinygrad_cv.data.folder import ImageFolder
from tinygrad_cv.data.mnist import fashion_mnist, mnist
from tinygrad_cv.engine.random import Generator

if TYPE_CHECKING:
    from tinygrad_cv.data.images import ImageDataset

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

    train: ImageDataset | ImageFolder
    test: ImageDataset | ImageFolder


def named(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    stream: bool | None = False,
    on_error: str = "raise",
) -> Split:
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
    stream : bool or None
        Whether the images of a folder stay in their files until a batch asks for them: the parts are
        then `ImageFolder`, else `ImageDataset`. None: where they would fill over a quarter of the
        machine's memory.
    on_error : {"raise", "skip"}
        What a file of a folder that is no image, or of another size than the first, leads to; see
        `ImageFolder`.

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
        return _folder(Path(name), seed, stream, on_error)
    raise ValueError(f"named: expected {', '.join(NAMES)} or a folder of images, got {name!r}")


def _folder(path: Path, seed: int, stream: bool | None, on_error: str) -> Split:
    def opened(root: Path) -> ImageFolder:
        return ImageFolder(root, on_error=on_error, one_size=True)

    if (path / "train").is_dir() and (path / "test").is_dir():
        parts = [opened(path / "train"), opened(path / "test")]
        train, test = (part.classes for part in parts)
        if train != test:
            raise ValueError(
                f"named: the classes of {path / 'train'} are {train} but those of test {test}"
            )
    else:
        whole = opened(path)
        drawn = random_split(whole, [1 - TEST_SHARE, TEST_SHARE], Generator(seed))
        parts = [whole.part(one.indices) for one in drawn]
    if stream is None:
        pixels = sum(len(part) for part in parts) * math.prod(parts[0].shape)
        stream = pixels > _memory() / 4
    return Split(*(part if stream else part.in_memory() for part in parts))


def _memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
