"""Weights and their updates, layer by layer: whether all layers learn, and at what pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.training import Callback
from tinygrad_cv.viz.figure import figure, write

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from tinygrad_cv.training import Trainer

WEIGHTS, UPDATES = "#0b5394", "#e69138"  # told apart in grey print and by colour-blind readers


class UpdateHistogram(Callback):
    """Keeps, every so many steps, each layer's weights and what the step did to them.

    Parameters
    ----------
    every : int
        Steps from one look to the next; a look copies the weights.

    Attributes
    ----------
    weights, updates : dict of ndarray
        By name, of the newest look; parameters with more than one dimension.
    ratios : dict of list of (int, float)
        By name, for each look its step and ‖update‖ / ‖weights‖.

    Raises
    ------
    ValueError
        Fewer than two steps: the weights before and after one are needed.
    """

    def __init__(self, every: int = 50) -> None:
        if every < 2:
            raise ValueError(f"UpdateHistogram: every must be at least 2, got {every}")
        self.every = every
        self.weights: dict[str, NDArray[Any]] = {}
        self.updates: dict[str, NDArray[Any]] = {}
        self.ratios: dict[str, list[tuple[int, float]]] = {}
        self._before: dict[str, NDArray[Any]] = {}

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Copy the weights before the step to be looked at, and compare after it."""
        named = {n: p for n, p in trainer.model.named_parameters() if p.ndim > 1}
        if trainer.steps % self.every == self.every - 1:
            self._before = {name: p.detach().cpu().array.copy() for name, p in named.items()}
        elif trainer.steps % self.every == 0 and self._before:
            for name, parameter in named.items():
                before = self._before[name]
                self.weights[name] = before
                self.updates[name] = parameter.detach().cpu().array - before
                sizes = [float(np.linalg.norm(a)) for a in (self.updates[name], before)]
                ratio = sizes[0] / max(sizes[1], 1e-12)
                self.ratios.setdefault(name, []).append((trainer.steps, ratio))

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw histograms of weights and updates for each layer, and the ratio of their sizes.

        Raises
        ------
        ValueError
            Nothing was looked at yet.
        """
        if not self.weights:
            raise ValueError(f"UpdateHistogram: no look yet; the first is at step {self.every}")
        made = figure(9, 1.5 * len(self.weights) + 0.4)
        rows = made.subplots(len(self.weights), 3, squeeze=False)
        for (name, weights), row in zip(self.weights.items(), rows, strict=True):
            for axis, values, colour in zip(
                row, (weights, self.updates[name]), (WEIGHTS, UPDATES), strict=False
            ):
                axis.hist(values.ravel(), bins=50, color=colour)
                axis.set_yticks([])
                axis.tick_params(labelsize=7)
            row[0].set_ylabel(name, fontsize=7)
            steps, ratios = zip(*self.ratios[name], strict=True)
            row[2].plot(steps, ratios, color=WEIGHTS, marker=".")
            row[2].axhline(1e-3, color="0.5", linestyle="--", linewidth=1)
            row[2].set_yscale("log")
            row[2].tick_params(labelsize=7, which="both")
        for axis, title in zip(
            rows[0], ("weights", "last update", "update / weight, 1e-3 dashed"), strict=True
        ):
            axis.set_title(title, fontsize=9)
        write(made, path)
