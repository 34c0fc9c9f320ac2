"""Accuracy in cross-validation against a hyperparameter, with its spread over the folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

# Told apart in grey print and by colour-blind readers (Okabe and Ito).
COLOURS = ("#0b5394", "#e69138", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")


def draw_validation(
    curves: Mapping[str, tuple[Sequence[Any], Any]],
    path: str | os.PathLike[str],
    parameter: str,
    title: str = "",
    *,
    joined: bool = True,
) -> None:
    """Draw accuracy against a hyperparameter: each fold a dot, their mean a line, bars of one
    standard deviation.

    Parameters
    ----------
    curves : dict of str to (values, accuracies)
        For each line of the legend the hyperparameter's values and the accuracies at them, shape
        (len(values), folds), between 0 and 1.
    path : path-like
        Where to; the suffix says the format (.png, .svg, .pdf).
    parameter : str
        The hyperparameter's name, for the axis.
    title : str
    joined : bool
        A line from value to value; without it where other settings changed as well.

    Raises
    ------
    ValueError
        No curve, or one without values.

    Notes
    -----
    Numbers over more than a factor of 20, all above 0, get a logarithmic axis; values that are no
    numbers stand side by side.
    """
    if not curves or not all(len(values) for values, _ in curves.values()):
        raise ValueError("draw_validation: there is nothing to draw")
    require("matplotlib", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    numbers = all(isinstance(v, (int, float)) for values, _ in curves.values() for v in values)
    for position, (name, (values, accuracies)) in enumerate(curves.items()):
        where = list(values) if numbers else [str(value) for value in values]
        percent = 100 * np.asarray(accuracies, np.float64)
        if numbers:
            order = np.argsort(where)
            where, percent = [where[i] for i in order], percent[order]
        colour = COLOURS[position % len(COLOURS)]
        axis.errorbar(
            where, percent.mean(axis=1), percent.std(axis=1), color=colour, label=name,
            marker="o", markersize=4, capsize=3, linestyle="-" if numbers and joined else "none",
        )  # fmt: skip
        for fold in percent.T:
            axis.plot(where, fold, ".", color=colour, alpha=0.4, markersize=4)
    if numbers:
        _scale(axis, sorted({value for values, _ in curves.values() for value in values}))
    axis.set_xlabel(parameter)
    axis.set_ylabel("accuracy on held-out folds (%)")
    axis.grid(alpha=0.3)
    if len(curves) > 1 or "" not in curves:
        axis.legend(frameon=False)
    if title:
        axis.set_title(title)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def _scale(axis: Any, values: list[float]) -> None:
    """A logarithmic axis for values over a wide range, with a mark at each or at five."""
    if not (values[0] > 0 and values[-1] > 20 * values[0]):
        return
    axis.set_xscale("log")
    marks = values if len(values) <= 12 else list(np.geomspace(values[0], values[-1], 5))
    axis.set_xticks(marks, [f"{mark:.3g}" for mark in marks])
    axis.minorticks_off()
