"""Loss and accuracy over the epochs of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require

if TYPE_CHECKING:
    import os

    from tinygrad_cv.training.history import History

# Dark blue and orange: told apart in grey print and by colour-blind readers.
TRAIN, VALIDATION = "#0b5394", "#e69138"


def draw_curves(history: History, path: str | os.PathLike[str], title: str = "") -> None:
    """Draw loss and accuracy of training and validation side by side into an image file.

    Parameters
    ----------
    history : History
        At least one epoch.
    path : path-like
        Where to; the suffix says the format (.png, .svg, .pdf).
    title : str
        Written above both.

    Raises
    ------
    ValueError
        No epoch.
    """
    if not history:
        raise ValueError("draw_curves: the history has no epoch")
    require("matplotlib", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    for axis, name, unit in ((left, "loss", "nats"), (right, "accuracy", "%")):
        factor = 100 if name == "accuracy" else 1
        for part, colour, marker in (("train", TRAIN, "o"), ("validation", VALIDATION, "s")):
            values = [factor * getattr(row, f"{part}_{name}") for row in history]
            axis.plot(epochs, values, marker=marker, markersize=4, color=colour, label=part)
        _label(axis, name, unit, epochs)
    if title:
        figure.suptitle(title)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def _label(axis: Any, name: str, unit: str, epochs: list[int]) -> None:
    axis.set_xlabel("epoch")
    axis.set_ylabel(f"{name} ({unit})")
    if len(epochs) <= 20:
        axis.set_xticks(epochs)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
