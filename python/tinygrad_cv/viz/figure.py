"""Figures without a window: made, shown images in, and written whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray


def figure(width: float, height: float) -> Any:
    """An empty matplotlib figure, sizes in inches, which belongs to no window."""
    require("matplotlib", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(made)
    return made


def write(made: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure; the suffix says the format (.png, .svg, .pdf), the file is whole or absent."""
    with atomic_write(path) as temporary:
        made.savefig(temporary)


def axes_grid(made: Any, count: int, columns: int) -> list[Any]:
    """Axes without frames for so many pictures, row by row."""
    rows = -(-count // columns)
    every = np.atleast_1d(made.subplots(rows, columns, squeeze=False)).ravel().tolist()
    for axis in every:
        axis.set_axis_off()
    return every[:count]


def displayed(image: NDArray[Any]) -> NDArray[Any]:
    """An image (C, H, W) with 1 or 3 channels, of any scale, as matplotlib shows it, in [0, 1]."""
    image = np.asarray(image, np.float64)
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / max(high - low, 1e-12)
    return image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)


def show(axis: Any, image: NDArray[Any], title: str = "") -> None:
    """An image (C, H, W) on an axis."""
    axis.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    if title:
        axis.set_title(title, fontsize=8)


def overlay(axis: Any, image: NDArray[Any], heat: NDArray[Any], title: str = "") -> None:
    """A map (H, W) in colours over a grey image (C, H, W)."""
    grey = displayed(image)
    grey = grey if grey.ndim == 2 else grey.mean(axis=2)
    axis.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    most = float(np.abs(heat).max()) or 1.0
    axis.imshow(heat, cmap="inferno", vmin=0, vmax=most, alpha=0.6, interpolation="bilinear")
    if title:
        axis.set_title(title, fontsize=8)
