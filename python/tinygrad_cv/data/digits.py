"""The digits inside the package: a balanced part of MNIST, for a first run without a download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_cv.data.mnist import MNIST, read_pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from tinygrad_cv.data.images import ImageDataset

FOLDER = Path(__file__).with_name("packed_digits")


def digits(
    train: bool = True, transform: Callable[[NDArray[np.uint8]], Any] | None = None
) -> ImageDataset:
    """10,000 training and 2,000 test images of handwritten digits, 1 x 28 x 28, from MNIST.

    Each class has 1,000 and 200 of them, drawn at random from MNIST's own training and test images;
    they lie inside the package (CC BY-SA 3.0, see LICENSE-digits).

    Parameters
    ----------
    train : bool
        The training images, or the test images.
    transform : callable, optional
        As for `ImageDataset`.

    Raises
    ------
    ValueError
        The package's files are damaged.

    Examples
    --------
    >>> data = digits(train=False)
    >>> data.images.shape, data.images.dtype
    ((2000, 1, 28, 28), dtype('uint8'))
    """
    try:
        return read_pair("digits", FOLDER, train, MNIST.classes, transform)
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{error}; install tinygrad-cv again") from error
