"""What the tests of data sets share: real data where it is, and small false data sets."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tinygrad_cv.data.idx import write_idx


@pytest.fixture
def full_data():
    """The folder of the full MNIST and CIFAR-10."""
    folder = os.environ.get("TINYGRAD_CV_DATA")
    if not folder:
        pytest.skip("TINYGRAD_CV_DATA names no folder with the full data sets")
    return folder


@pytest.fixture(autouse=True)
def no_data_nor_cache(request, monkeypatch, tmp_path):
    """No test but those marked `data` sees the data sets of this machine."""
    if request.node.get_closest_marker("data") is None:
        monkeypatch.delenv("TINYGRAD_CV_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def make_idx():
    """A function that writes four small files in MNIST's format, and returns their arrays."""

    def make(folder, suffix="", train=6, test=4):
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        arrays = {}
        for part, count in (("train", train), ("t10k", test)):
            arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
            arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count).astype(np.uint8)
        for name, array in arrays.items():
            write_idx(folder / f"{name}{suffix}", array)
        return arrays

    return make
