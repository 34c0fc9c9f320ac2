"""The demonstration of terrains: a linear SVM has a bowl, a deep network has none."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "loss_landscape.py"


def test_the_svm_has_a_bowl_and_the_network_a_terrain(tmp_path, capsys, monkeypatch):
    from matplotlib.image import imread

    path = tmp_path / "terrain.png"
    few = ["--images", "60", "--steps", "40", "--points", "11"]
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "--out", str(path), *few])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    said = capsys.readouterr().out
    shares = [int(share) for share in re.findall(r"(\d+) % of lines bend down", said)]
    assert shares[0] == 0
    assert shares[1] > 70
    assert imread(path).shape[0] > 500


def test_a_line_bends_down_where_its_middle_is_high():
    bends_down = runpy.run_path(str(EXAMPLE))["bends_down"]
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5))
    assert bends_down(x**2 + y**2) == 0
    assert bends_down(-(x**2)) == pytest.approx(0.5)  # its rows do, its columns are flat


def test_help_says_what_it_is(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert ended.value.code == 0
    assert "python examples/loss_landscape.py --out" in capsys.readouterr().out
