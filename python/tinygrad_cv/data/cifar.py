"""CIFAR-10 and CIFAR-100, from the binary version, the Python version, or the network."""

from __future__ import annotations

import io
import tarfile
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from tinygrad_cv.data.download import Digest, cache_folder, download
from tinygrad_cv.data.images import ImageDataset
from tinygrad_cv.data.location import VARIABLE, locate
from tinygrad_cv.data.pickled import read_pickle
from tinygrad_cv.files import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32  # red plane first, each in row order
MIRRORS = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")

TEN = "airplane automobile bird cat deer dog frog horse ship truck"
FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree
orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum
rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train
trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


class CifarSource(NamedTuple):
    """One of the two data sets: how its files are called, and what is in them."""

    name: str
    classes: tuple[str, ...]
    binary: str  # folder of the binary version, and of its archive
    python: str  # folder of the Python version
    files: dict[bool, tuple[str, ...]]  # for the training and the test images, without .bin
    rows: dict[bool, int]  # images in each of those files
    label_bytes: int  # before each image of the binary version; the last one counts
    label_key: str  # of the Python version
    archive: str
    md5: str


CIFAR10 = CifarSource(
    name="cifar10",
    classes=tuple(TEN.split()),
    binary="cifar-10-batches-bin",
    python="cifar-10-batches-py",
    files={True: tuple(f"data_batch_{i}" for i in range(1, 6)), False: ("test_batch",)},
    rows={True: 10_000, False: 10_000},
    label_bytes=1,
    label_key="labels",
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
)

CIFAR100 = CifarSource(
    name="cifar100",
    classes=tuple(FINE.split()),
    binary="cifar-100-binary",
    python="cifar-100-python",
    files={True: ("train",), False: ("test",)},
    rows={True: 50_000, False: 10_000},
    label_bytes=2,  # coarse, fine
    label_key="fine_labels",
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
)


def cifar10(
    root: str | os.PathLike[str] | None = None,
    train: bool = True,
    transform: Callable[[NDArray[np.uint8]], Any] | None = None,
) -> ImageDataset:
    """CIFAR-10: 50,000 training and 10,000 test images in ten classes, 3 x 32 x 32.

    Parameters
    ----------
    root : path-like, optional
        The folder of the files, or the one above it: the binary version
        (``cifar-10-batches-bin``) or the Python version (``cifar-10-batches-py``; its pickles are
        read without running anything). Without it the variable TINYGRAD_CV_DATA names the root;
        where that is not set or has no CIFAR-10, the binary version is downloaded once into the
        user's cache.
    train : bool
        The training images, or the test images.
    transform : callable, optional
        As for `ImageDataset`.

    Raises
    ------
    FileNotFoundError
        No such files, or nothing to be downloaded; the message says what to put where.
    ValueError
        A file of a wrong size, a pickle of something else, or a label over 9; the message names the
        file.

    References
    ----------
    Krizhevsky 2009: Learning Multiple Layers of Features from Tiny Images.

    Examples
    --------
    >>> cifar10(train=False).images.shape  # doctest: +SKIP
    (10000, 3, 32, 32)
    """
    return _load(CIFAR10, root, train, transform)


def cifar100(
    root: str | os.PathLike[str] | None = None,
    train: bool = True,
    transform: Callable[[NDArray[np.uint8]], Any] | None = None,
) -> ImageDataset:
    """CIFAR-100: 50,000 training and 10,000 test images in a hundred (fine) classes, 3 x 32 x 32.

    Parameters
    ----------
    root : path-like, optional
        As for `cifar10`, with the folders ``cifar-100-binary`` and ``cifar-100-python``.
    train : bool
        The training images, or the test images.
    transform : callable, optional
        As for `ImageDataset`.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `cifar10`.

    References
    ----------
    Krizhevsky 2009: Learning Multiple Layers of Features from Tiny Images.

    Examples
    --------
    >>> cifar100().classes[:2]  # doctest: +SKIP
    ('apple', 'aquarium_fish')
    """
    return _load(CIFAR100, root, train, transform)


def _load(
    source: CifarSource,
    root: str | os.PathLike[str] | None,
    train: bool,
    transform: Callable[[NDArray[np.uint8]], Any] | None,
) -> ImageDataset:
    stems = source.files[train]
    binary = tuple(f"{stem}.bin" for stem in stems)
    folders = (source.binary, source.python, "")
    folder = locate(source.name, root, folders, stems, (".bin", ""), partial(_cached, source))
    names, read = (binary, _read_binary) if _has_any(folder, binary) else (stems, _read_python)
    count = source.rows[train]
    images = np.empty((count * len(names), *SHAPE), np.uint8)
    labels = np.empty(count * len(names), np.int64)
    for position, name in enumerate(names):
        part = slice(position * count, (position + 1) * count)
        path = _existing(source, folder / name)
        pixels, labels[part] = read(source, path, count)
        images[part] = pixels.reshape(count, *SHAPE)
        _check_labels(source, path, labels[part])
    return ImageDataset(images, labels, source.classes, transform)


def _has_any(folder: Path, names: tuple[str, ...]) -> bool:
    return any((folder / name).is_file() for name in names)


def _existing(source: CifarSource, path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{source.name}: {path.parent} has no {path.name}")
    return path


def _read_binary(source: CifarSource, path: Path, count: int) -> tuple[Any, Any]:
    content = np.fromfile(path, np.uint8)
    record = source.label_bytes + PIXELS
    if content.size != count * record:
        raise ValueError(
            f"{source.name}: {path} has {content.size} bytes, "
            f"but {count} records of {record} make {count * record}"
        )
    records = content.reshape(count, record)
    return records[:, source.label_bytes :], records[:, source.label_bytes - 1]


def _read_python(source: CifarSource, path: Path, count: int) -> tuple[Any, Any]:
    content = read_pickle(path)
    for key in ("data", source.label_key):
        if key not in content:
            raise ValueError(f"{source.name}: {path} has no {key!r}, only {sorted(content)}")
    pixels, labels = content["data"], content[source.label_key]
    if np.shape(pixels) != (count, PIXELS):
        raise ValueError(
            f"{source.name}: {path} has data of shape {np.shape(pixels)}, not {(count, PIXELS)}"
        )
    if not (isinstance(labels, list) and len(labels) == count and {*map(type, labels)} == {int}):
        raise ValueError(f"{source.name}: {path} has no list of {count} labels")
    return pixels, labels


def _check_labels(source: CifarSource, path: Path, labels: NDArray[np.int64]) -> None:
    bad = np.flatnonzero((labels < 0) | (labels >= len(source.classes)))
    if bad.size:
        raise ValueError(
            f"{source.name}: label {bad[0]} in {path} is {labels[bad[0]]}, "
            f"but there are classes 0 to {len(source.classes) - 1}"
        )


def _cached(source: CifarSource) -> Path:
    folder = cache_folder(source.name)
    wanted = tuple(f"{stem}.bin" for half in (True, False) for stem in source.files[half])
    if not all((folder / name).is_file() for name in wanted):
        _download(source, wanted, folder)
    return folder


def _download(source: CifarSource, names: tuple[str, ...], folder: Path) -> None:
    urls = [f"{mirror}{source.archive}" for mirror in MIRRORS]
    try:
        packed = download(urls, Digest("md5", source.md5, unpacked=False))
    except OSError as error:
        raise FileNotFoundError(
            f"{source.name}: it is not here and could not be downloaded ({error}); put "
            f"{', '.join(names)} into {folder}, or name the folder of {source.binary} or "
            f"{source.python} as root or in {VARIABLE}"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for name in names:
            # By the checksum it is the archive that has these files.
            member = cast("IO[bytes]", archive.extractfile(f"{source.binary}/{name}"))
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(member.read())
