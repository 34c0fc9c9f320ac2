"""Accuracy against change: none at level 0, and what a known model must lose."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.training import robustness
from tinygrad_cv.training.robustness import CHALLENGES
from tinygrad_cv.viz import draw_robustness


class TopOrBottom(nn.Module):
    """Says 1 where the lower half is brighter."""

    def forward(self, x):
        half = x.shape[2] // 2
        top, bottom = x[:, :, :half].mean(dim=(1, 2, 3)), x[:, :, half:].mean(dim=(1, 2, 3))
        return tg.stack([top, bottom], dim=1)


def halves(count=80):
    labels = np.arange(count) % 2
    images = np.zeros((count, 1, 12, 12), np.float32)
    images[labels == 0, :, 1:5, 3:9] = 0.9
    images[labels == 1, :, 7:11, 3:9] = 0.9
    return images, labels


def test_without_change_accuracy_is_that_of_the_model():
    curves = robustness(TopOrBottom(), halves())
    assert list(curves) == [challenge.name for challenge in CHALLENGES]
    assert len(curves) == 7
    for curve in curves.values():
        assert curve.accuracy[0] == 1
        assert curve.spread[0] == 0
        assert len(curve.levels) == len(curve.accuracy) == len(curve.spread)
    assert curves["illumination"].accuracy == [1] * 5  # the brighter half stays the brighter
    assert curves["rotation"].accuracy[1] == 1
    assert curves == robustness(TopOrBottom(), halves())  # the seed decides


def test_a_model_that_looks_at_one_place_suffers_where_that_is_covered():
    class Corner(nn.Module):
        def forward(self, x):
            pixel = x[:, 0, 2, 4]
            return tg.stack([pixel, tg.full_like(pixel, 0.6)], dim=1)

    curves = robustness(Corner(), halves(400))
    patch = curves["occlusion"].accuracy
    assert patch[0] == 1
    assert patch[-1] < 0.95
    assert curves["scale"].accuracy[-1] < 1


def test_a_data_set_is_changed_before_its_transform():
    images, labels = halves()
    seen = []

    def transform(batch):
        seen.append((batch.dtype, float(batch.max())))
        return batch - 0.5

    transform.batched = True
    data = tg.data.ImageDataset((images * 255).astype(np.uint8), labels, ["a", "b"], transform)
    curves = robustness(TopOrBottom(), data, images=20)
    assert curves["shear"].accuracy[0] == 1
    assert {kind for kind, _ in seen} == {np.dtype(np.float32)}
    assert max(most for _, most in seen) <= 1


def test_curves_are_drawn_and_nothing_is_refused(tmp_path):
    from matplotlib.image import imread

    draw_robustness(robustness(TopOrBottom(), halves(10)), tmp_path / "curves.png")
    assert imread(tmp_path / "curves.png").std() > 0.01
    with pytest.raises(ValueError, match="no curve"):
        draw_robustness({}, tmp_path / "a.png")
    with pytest.raises(ValueError, match="robustness: no images"):
        robustness(TopOrBottom(), halves(0))
