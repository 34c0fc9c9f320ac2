"""Pictures of training runs."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.training import Epoch, History
from tinygrad_cv.viz import draw_curves
from tinygrad_cv.viz.curves import TRAIN, VALIDATION


def history(epochs: int) -> History:
    return History(
        Epoch(n, 1 / n, 1 - 0.5 / n, 1.1 / n, 1 - 0.6 / n, 0.1, 1.0, 10.0)
        for n in range(1, epochs + 1)
    )


def test_both_curves_are_in_the_picture(tmp_path):
    from matplotlib.image import imread

    draw_curves(history(5), tmp_path / "curves.png", "a title")
    pixels = imread(tmp_path / "curves.png")[..., :3]
    for colour in (TRAIN, VALIDATION):
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        assert (np.abs(pixels - wanted).max(axis=-1) < 0.02).sum() > 200


def test_svg_holds_the_labels(tmp_path):
    draw_curves(history(30), tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()


def test_no_epoch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no epoch"):
        draw_curves(History(), tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())
