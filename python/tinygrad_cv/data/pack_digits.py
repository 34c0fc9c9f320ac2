"""Draw the digits of the package from MNIST: ``python -m tinygrad_cv.data.pack_digits FOLDER``.

FOLDER holds MNIST's four files. The same files and zlib give the same bytes. The order comes from
the raw stream of PCG64, which NumPy keeps the same from version to version.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tinygrad_cv.data.digits import FOLDER
from tinygrad_cv.data.idx import write_idx
from tinygrad_cv.data.mnist import IMAGES, LABELS, mnist

SEED = 1998
PER_CLASS = {True: 1000, False: 200}


def draw(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Indices of `per_class` samples of each class, in random order."""
    stream = np.random.PCG64(SEED)
    drawn = _shuffled(np.arange(len(labels)), stream)
    taken = [drawn[labels[drawn] == label][:per_class] for label in np.unique(labels)]
    # Shuffled again: in the order of the draw the rarer classes would come last.
    return _shuffled(np.concatenate(taken), stream)


def _shuffled(rows: np.ndarray, stream: np.random.PCG64) -> np.ndarray:
    return rows[np.argsort(stream.random_raw(len(rows)), kind="stable")]


def pack(source: Path, folder: Path) -> None:
    """Write the four files of the drawn digits into `folder`."""
    for train, per_class in PER_CLASS.items():
        data = mnist(source, train)
        rows = draw(data.labels, per_class)
        write_idx(folder / f"{IMAGES[train]}.gz", data.images[rows, 0])
        write_idx(folder / f"{LABELS[train]}.gz", data.labels[rows].astype(np.uint8))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    pack(Path(sys.argv[1]), FOLDER)
