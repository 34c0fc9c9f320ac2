"""Accuracy against growing change of the images, a picture for each challenge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.viz.figure import figure, write

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from tinygrad_cv.training.robustness import Curve

LINE = "#0b5394"


def draw_robustness(curves: Mapping[str, Curve], path: str | os.PathLike[str]) -> None:
    """Draw the curves of `training.robustness`, each with the deviation over the classes as a band.

    Raises
    ------
    ValueError
        No curve.
    """
    if not curves:
        raise ValueError("draw_robustness: no curve to draw")
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    made = figure(2.5 * columns, 2.3 * rows)
    every = made.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axis, (name, curve) in zip(every, curves.items(), strict=False):
        middle, spread = 100 * np.array(curve.accuracy), 100 * np.array(curve.spread)
        axis.fill_between(
            curve.levels, np.maximum(middle - spread, 0), np.minimum(middle + spread, 100),
            color=LINE, alpha=0.2, linewidth=0,
        )  # fmt: skip
        axis.plot(curve.levels, middle, color=LINE, marker="o", markersize=4)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel(curve.unit, fontsize=8)
        axis.set_ylim(0, 102)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=7)
    for axis in every[len(curves) :]:
        axis.set_axis_off()
    for row in range(rows):
        every[row * columns].set_ylabel("accuracy (%)", fontsize=8)
    write(made, path)
