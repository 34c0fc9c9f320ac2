"""Data sets by the names that the command line has for them, as rows for estimators."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

NAMES = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
# Test images of CIFAR-10 that someone stored as JPEG: their pixels differ a little.
JPEG_COPY = 0x324D7BCD


class Rows(NamedTuple):
    """Training and test rows of bytes, labels, and where they came from, in a few words."""

    X: Any
    y: Any
    test_X: Any
    test_y: Any
    classes: tuple[str, ...]
    whole: bool  # no image was left out
    source: str
    shape: tuple[int, int, int]  # of an image: channels, rows, columns


def load(
    name: str,
    root: Path | None,
    train_images: int | None = None,
    test_images: int | None = None,
    seed: int = 0,
) -> Rows:
    """A data set's rows; of each part so many, drawn by the seed, or all."""
    import tinygrad_cv as tg

    if name not in NAMES:
        raise ValueError(f"--data: expected one of {', '.join(NAMES)}, got {name!r}")
    if name == "digits":
        if root is not None:
            raise ValueError("--data-root: the digits are inside the package")
        parts = [tg.data.digits(train=train) for train in (True, False)]
    else:
        parts = [getattr(tg.data, name)(root, train=train) for train in (True, False)]
    chosen = []
    for part, count, option in zip(
        parts, (train_images, test_images), ("--train-images", "--test-images"), strict=True
    ):
        X, y = part.arrays()
        if count is not None and count > len(X):
            raise ValueError(f"{option}: {name} has {len(X):,} such images, asked for {count:,}")
        if count is not None and count < len(X):
            order = np.random.default_rng(seed).permutation(len(X))[:count]
            X, y = X[order], y[order]
        chosen.append((X, y))
    whole = all(len(X) == len(part) for (X, _), part in zip(chosen, parts, strict=True))
    (X, y), (test_X, test_y) = chosen
    source = _source(name, root, parts[1].images)
    shape = parts[0].images.shape[1:]
    return Rows(X, y, test_X, test_y, parts[0].classes, whole, source, shape)


def _source(name: str, root: Path | None, test_images: Any) -> str:
    if name == "digits":
        return "inside the package"
    if name == "cifar10" and zlib.crc32(test_images) == JPEG_COPY:
        return "JPEG copy, not the original pixels"
    folder = root or os.environ.get("TINYGRAD_CV_DATA")
    return f"files in {folder}" if folder else "original, by checksum"
