"""Pictures of cross-validation."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.viz import draw_validation
from tinygrad_cv.viz.validation import COLOURS


def test_each_curve_is_in_the_picture(tmp_path):
    from matplotlib.image import imread

    accuracies = np.array([[0.3, 0.32], [0.35, 0.36], [0.33, 0.37]])
    curves = {"l1": ([1, 5, 50], accuracies), "l2": ([1, 5, 50], accuracies - 0.1)}
    draw_validation(curves, tmp_path / "cv.png", "n_neighbors", "a title")
    pixels = imread(tmp_path / "cv.png")[..., :3]
    for colour in COLOURS[:2]:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        assert (np.abs(pixels - wanted).max(axis=-1) < 0.02).sum() > 150


def test_values_that_are_no_numbers(tmp_path):
    draw_validation({"": (["l1", "l2"], [[0.1, 0.2], [0.3, 0.4]])}, tmp_path / "cv.svg", "metric")
    assert "<svg" in (tmp_path / "cv.svg").read_text()


@pytest.mark.parametrize("curves", [{}, {"l1": ([], [])}])
def test_nothing_to_draw_is_refused(curves, tmp_path):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_validation(curves, tmp_path / "cv.png", "k")
    assert not list(tmp_path.iterdir())
