"""The demonstration of starting weights shows what it says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "initialization.py"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """For each case the columns mean, std and gradient; and the picture's path."""
    path = tmp_path_factory.mktemp("example") / "initialization.png"
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(EXAMPLE), "--out", str(path)])
        patch.setattr("builtins.print", lambda text, **_: said.append(text))
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    cases = {}
    for text in said[:-1]:
        name, _, *rows = text.split("\n")
        cases[name] = np.array([[float(n) for n in row.split()[1:]] for row in rows]).T
    return cases, path


def test_too_small_shrinks_and_too_large_saturates(shown):
    cases, _ = shown
    _, std, gradient = cases["tanh, std 0.01: too small"]
    assert std[-1] < 1e-6
    assert gradient[0] < 1e-5
    _, std, gradient = cases["tanh, std 1: too large"]
    assert (std > 0.97).all()
    assert gradient[0] > 1e4


@pytest.mark.parametrize("name", ["tanh, Xavier: 1 / fan_in", "ReLU, He: 2 / fan_in"])
def test_the_right_size_keeps_activations_and_gradients(shown, name):
    _, std, gradient = shown[0][name]
    assert 0.2 < std.min() <= std.max() < 1.0
    assert 0.3 < gradient.min() <= gradient.max() < 1.3


def test_relu_halves_the_variance(shown):
    _, std, _ = shown[0]["ReLU, Xavier: 1 / fan_in"]
    np.testing.assert_allclose(std[1:] / std[:-1], np.sqrt(0.5), rtol=0.1)


def test_the_picture_is_there(shown):
    from matplotlib.image import imread

    pixels = imread(shown[1])[..., :3]
    assert pixels.shape[0] > 500
    blue = np.abs(pixels - np.array([0x0B, 0x53, 0x94]) / 255).max(axis=-1) < 0.02
    assert 0.02 < blue.mean() < 0.5
