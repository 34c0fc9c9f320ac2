"""The rows of a linear classifier's W as images: what each class is matched against."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray


def templates(
    classifier: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    shape: tuple[int, int, int] | None = None,
    names: Sequence[str] | None = None,
) -> NDArray[np.uint8]:
    """Each class's row of W as an image.

    Parameters
    ----------
    classifier : fitted estimator, or a Pipeline that ends in one
        With `coef_`, a row of pixels for each class, channel by channel; and `classes_`.
    path : path-like, optional
        Image file to draw them into, side by side with their names.
    shape : (channels, height, width), optional
        Of an image; by default square with 3 channels, or else 1, as the number of features allows.
    names : sequence of str, optional
        What to call the classes instead of `classes_`.

    Returns
    -------
    ndarray of uint8, shape (n_classes, height, width, channels)
        Each image from its smallest weight, 0, to its largest, 255.

    Raises
    ------
    ValueError
        A classifier without `coef_`, rows that are no such images, or too few names.

    References
    ----------
    CS231n notes, "Linear classification", section on template matching.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(coef_=np.array([[-1.0, 0, 1, 3]]), classes_=["a"])
    >>> templates(fitted)[0, :, :, 0].tolist()
    [[0, 64], [128, 255]]
    """
    last = classifier.steps[-1][1] if hasattr(classifier, "steps") else classifier
    if not hasattr(last, "coef_"):
        raise ValueError(f"templates: {type(last).__name__} has no coef_; fit a linear classifier")
    weights = np.asarray(last.coef_)
    channels, height, width = shape or _image_shape(weights.shape[1])
    if channels * height * width != weights.shape[1]:
        raise ValueError(
            f"templates: shape {shape} has {channels * height * width} pixels but coef_ "
            f"{weights.shape} has {weights.shape[1]} features"
        )
    names = [str(name) for name in (last.classes_ if names is None else names)]
    if len(names) != len(weights):
        raise ValueError(f"templates: {len(names)} names for {len(weights)} classes")
    low, high = weights.min(axis=1, keepdims=True), weights.max(axis=1, keepdims=True)
    scaled = (weights - low) / np.where(high > low, high - low, 1)
    images: NDArray[np.uint8] = (
        np.round(255 * scaled)
        .astype(np.uint8)
        .reshape(-1, channels, height, width)
        .transpose(0, 2, 3, 1)
    )
    if path is not None:
        _draw(images, names, path)
    return images


def _image_shape(features: int) -> tuple[int, int, int]:
    """A square image of 3 channels, or of 1."""
    for channels in (3, 1):
        side = math.isqrt(features // channels)
        if channels * side * side == features:
            return channels, side, side
    raise ValueError(
        f"templates: {features} features are no square image of 1 or 3 channels: give its shape"
    )


def _draw(images: NDArray[np.uint8], names: Sequence[str], path: str | os.PathLike[str]) -> None:
    require("matplotlib", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(images), 5)
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.7 * columns, 1.9 * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    grey = images.shape[3] == 1
    for axis, image, name in zip(axes, images, names, strict=False):
        axis.imshow(image[..., 0] if grey else image, cmap="gray", interpolation="nearest")
        axis.set_title(name, fontsize=10)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
