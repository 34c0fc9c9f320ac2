"""``--device cuda``: training on the emulated GPU, and what is said where there is none."""

from __future__ import annotations

import importlib
import re
import sys

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.cli.app import run


def train(folder, device, *more):
    return run(
        ["train", "lenet", "--device", device, "--epochs", "1", "--seed", "3", "--batch-size", "8",
         "--out", str(folder), *more]
    )  # fmt: skip


@pytest.fixture
def few_digits(monkeypatch):
    """One in 400 of the packed digits."""
    module = importlib.import_module("tinygrad_cv.data.digits")
    whole = module.read_pair

    def few(*arguments):
        data = whole(*arguments)
        data.images, data.labels = data.images[::400], data.labels[::400]
        return data

    monkeypatch.setattr(module, "read_pair", few)


@pytest.mark.usefixtures("few_digits")
def test_train_on_the_gpu_gives_the_weights_of_the_cpu(cupy, tmp_path, capfd):
    from standin import Cuda

    before = Cuda.launches
    assert train(tmp_path / "cuda", "cuda") == 0
    assert Cuda.launches > before + 50
    assert re.search(r"test accuracy \d+\.\d\d % \(5 images\)", capfd.readouterr().out)
    after = Cuda.launches
    assert train(tmp_path / "cpu", "cpu") == 0
    assert Cuda.launches == after
    here, there = (tg.load(tmp_path / device / "model.safetensors") for device in ("cpu", "cuda"))
    assert here.keys() == there.keys()
    for name, weights in here.items():
        np.testing.assert_allclose(there[name].numpy(), weights.numpy(), rtol=1e-2, atol=1e-3)


@pytest.mark.usefixtures("few_digits", "cupy")
def test_train_in_float16_keeps_the_scale_in_its_checkpoint(tmp_path, capfd):
    from tinygrad_cv.training.checkpoint import read_checkpoint

    assert train(tmp_path, "cuda", "--amp", "float16") == 0
    state = read_checkpoint(next((tmp_path / "checkpoints").glob("step-*.safetensors")))
    assert (state["kinds"]["amp"], state["options"]["--amp"]) == ("float16", "float16")
    assert state["scaler"]["scale"] <= 2.0**16
    assert train(tmp_path, "cuda", "--resume", "--amp", "bfloat16") == 2
    assert "started with --amp float16, this one with --amp bfloat16" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("device", "amp", "message"),
    [
        ("cpu", "float16", "autocast: the CPU computes float32 in float32; device_type must be"),
        ("cuda", "half", "autocast: dtype must be 'float16' or 'bfloat16', got 'half'"),
    ],
)
def test_a_precision_that_is_not_there_is_one_line(cupy, tmp_path, capfd, device, amp, message):
    assert train(tmp_path / "run", device, "--amp", amp) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "device 'cuda': CuPy is not installed: pip install"),
        ("gpu", "device: expected 'cpu', 'cuda' or 'cuda:<number>', got 'gpu'"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(monkeypatch, tmp_path, capfd, device, message):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert train(tmp_path / "run", device) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "run").exists()
