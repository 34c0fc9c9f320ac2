"""MNIST and the data sets in its format: the four IDX files, found or downloaded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_cv.data.download import Digest, cache_folder, download
from tinygrad_cv.data.idx import gunzip, read_idx
from tinygrad_cv.data.images import ImageDataset
from tinygrad_cv.data.location import VARIABLE, locate
from tinygrad_cv.files import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

IMAGES = {True: "train-images-idx3-ubyte", False: "t10k-images-idx3-ubyte"}
LABELS = {True: "train-labels-idx1-ubyte", False: "t10k-labels-idx1-ubyte"}
SIZE = (28, 28)


class IdxSource(NamedTuple):
    """A data set of four IDX files: what it is called, where it lies, what it must be."""

    name: str
    classes: tuple[str, ...]
    folders: tuple[str, ...]  # below a root, in the order to look
    mirrors: tuple[str, ...]
    digests: dict[str, Digest]  # by file name


def _unpacked(sha256: str) -> Digest:
    return Digest("sha256", sha256, unpacked=True)


def _packed(md5: str) -> Digest:
    return Digest("md5", md5, unpacked=False)


MNIST = IdxSource(
    name="mnist",
    classes=tuple("0123456789"),
    folders=("", "mnist", "MNIST", "raw", "mnist/raw", "MNIST/raw"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    digests={
        IMAGES[True]: _unpacked("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        LABELS[True]: _unpacked("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        IMAGES[False]: _unpacked(
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        LABELS[False]: _unpacked(
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
)


FASHION_MNIST = IdxSource(
    name="fashion_mnist",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw"),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    digests={
        IMAGES[True]: _packed("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        LABELS[True]: _packed("25c81989df183df01b3e8a0aad5dffbe"),
        IMAGES[False]: _packed("bef4ecab320f06d8554ea6380940ec79"),
        LABELS[False]: _packed("bb300cfdad3c16e7a12a480ee83cd310"),
    },
)


def mnist(
    root: str | os.PathLike[str] | None = None,
    train: bool = True,
    transform: Callable[[NDArray[np.uint8]], Any] | None = None,
) -> ImageDataset:
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 1 x 28 x 28.

    Parameters
    ----------
    root : path-like, optional
        The folder of the four IDX files (gzipped or not), the one above it (``mnist``, ``MNIST``),
        or PyTorch's root (``MNIST/raw``). Without it the variable TINYGRAD_CV_DATA names the root;
        where that is not set or has no MNIST, the files are downloaded once into the user's cache.
    train : bool
        The training images, or the test images.
    transform : callable, optional
        As for `ImageDataset`.

    Raises
    ------
    FileNotFoundError
        No such files, or nothing to be downloaded; the message says what to put where.
    ValueError
        A file that is cut, damaged or no IDX file, images and labels that do not match, or a label
        over 9; the message names the file.

    References
    ----------
    LeCun, Cortes, Burges: The MNIST database of handwritten digits.

    Examples
    --------
    >>> data = mnist()  # doctest: +SKIP
    >>> data.images.shape  # doctest: +SKIP
    (60000, 1, 28, 28)
    """
    return load_idx(MNIST, root, train, transform)


def fashion_mnist(
    root: str | os.PathLike[str] | None = None,
    train: bool = True,
    transform: Callable[[NDArray[np.uint8]], Any] | None = None,
) -> ImageDataset:
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 1 x 28 x 28.

    Parameters
    ----------
    root : path-like, optional
        The folder of the four IDX files (gzipped or not), the one above it (``fashion-mnist``,
        ``fashion_mnist``), or PyTorch's root (``FashionMNIST/raw``). Without it one of these below
        the folder that the variable TINYGRAD_CV_DATA names, else the user's cache, as for `mnist`.
    train : bool
        The training images, or the test images.
    transform : callable, optional
        As for `ImageDataset`.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `mnist`.

    References
    ----------
    Xiao, Rasul, Vollgraf 2017: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
    Learning Algorithms. arXiv:1708.07747.

    Examples
    --------
    >>> fashion_mnist(train=False).classes[9]  # doctest: +SKIP
    'Ankle boot'
    """
    return load_idx(FASHION_MNIST, root, train, transform)


def load_idx(
    source: IdxSource,
    root: str | os.PathLike[str] | None,
    train: bool,
    transform: Callable[[NDArray[np.uint8]], Any] | None,
) -> ImageDataset:
    """One half of a data set of four IDX files; see `mnist`."""
    names = IMAGES[train], LABELS[train]
    # Their own folder may be named as the root alone: the variable's may be that of other data, and
    # the names are the same.
    folders = source.folders if root is None else (*source.folders, "", "raw")
    cached = partial(_cached, source, names)
    folder = locate(source.name, root, folders, names, ("", ".gz"), cached)
    return read_pair(source.name, folder, train, source.classes, transform)


def read_pair(
    where: str,
    folder: Path,
    train: bool,
    classes: tuple[str, ...],
    transform: Callable[[NDArray[np.uint8]], Any] | None,
) -> ImageDataset:
    """The images and labels of one half, from the folder that holds both."""
    images_path, labels_path = (
        _path(where, folder, IMAGES[train]),
        _path(where, folder, LABELS[train]),
    )
    images, labels = read_idx(images_path, ndim=3), read_idx(labels_path, ndim=1)
    if images.shape[1:] != SIZE:
        raise ValueError(f"{where}: {images_path} has images of {images.shape[1:]}, not {SIZE}")
    if len(images) != len(labels):
        raise ValueError(
            f"{where}: {images_path} has {len(images)} images but {labels_path} {len(labels)} labels"
        )
    bad = np.flatnonzero(labels >= len(classes))
    if bad.size:
        raise ValueError(
            f"{where}: label {bad[0]} in {labels_path} is {labels[bad[0]]}, "
            f"but there are classes 0 to {len(classes) - 1}"
        )
    return ImageDataset(images[:, None], labels, classes, transform)


def _path(where: str, folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{where}: {folder} has no {name} (nor {name}.gz)")


def _cached(source: IdxSource, names: tuple[str, str]) -> Path:
    folder = cache_folder(source.name)
    for name in names:
        if not ((folder / name).is_file() or (folder / f"{name}.gz").is_file()):
            _download(source, name, folder)
    return folder


def _download(source: IdxSource, name: str, folder: Path) -> None:
    urls = [f"{mirror}{name}.gz" for mirror in source.mirrors]
    try:
        content = gunzip(download(urls, source.digests[name]), name)
    except OSError as error:
        raise FileNotFoundError(
            f"{source.name}: {name} is not here and could not be downloaded ({error}); put the four "
            f"files {', '.join((*IMAGES.values(), *LABELS.values()))} (or .gz) into {folder}, or "
            f"name their folder as root or in {VARIABLE}"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / name) as temporary:
        temporary.write_bytes(content)
