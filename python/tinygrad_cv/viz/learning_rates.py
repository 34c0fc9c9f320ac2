"""What the learning-rate finder saw: the loss over the step sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.viz.figure import figure, write

if TYPE_CHECKING:
    import os

    from tinygrad_cv.training import LearningRates


def draw_learning_rates(
    found: LearningRates, path: str | os.PathLike[str], title: str = ""
) -> None:
    """Draw the smoothed loss over the learning rate, with the suggestion as a line.

    Parameters
    ----------
    found : LearningRates
        From `training.find_learning_rate`.
    path : path-like
        Where to; the suffix says the format (.png, .svg, .pdf).
    title : str
    """
    made = figure(6, 3.6)
    axis = made.subplots()
    axis.plot(found.rates, found.losses, color="#0b5394")
    axis.axvline(found.suggestion, color="#e69138", label=f"begin with {found.suggestion:.2g}")
    axis.set_xscale("log")
    axis.set_xlabel("learning rate")
    axis.set_ylabel("loss, smoothed (nats)")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    if title:
        axis.set_title(title)
    write(made, path)
