"""Checkpoints: a run that was killed and resumed gives the bits of one that was not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim
from tinygrad_cv.data.augment import Compose, RandomCrop, RandomErasing
from tinygrad_cv.training import Callback, Checkpoint, Trainer, resume
from tinygrad_cv.training.checkpoint import read_checkpoint, write_checkpoint

EPOCHS = 3


def images(count=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 200, (count, 1, 6, 6)) + 20 * labels[:, None, None, None]
    return tg.data.ImageDataset(pixels.astype(np.uint8), labels, list("abc"))


def make(folder, callbacks=(), every=1, own_generator=False):
    """A run with all that draws numbers or keeps a state."""
    tg.manual_seed(0)
    generator = tg.Generator(5) if own_generator else None
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3, generator=generator),
        nn.Linear(64, 3),
    )
    adam = optim.AdamW(model.parameters(), lr=0.01)
    batches = tg.data.DataLoader(
        images(), 10, shuffle=True, seed=1, num_workers=1,
        augment=Compose([RandomCrop(6, 1), RandomErasing()]),
    )  # fmt: skip
    steps = EPOCHS * len(batches)
    trainer = Trainer(
        model,
        adam,
        schedule=optim.lr_scheduler.OneCycleLR(adam, 0.01, steps),
        schedule_unit="step",
        regularizer=nn.regularizers.L2(1e-3),
        callbacks=[Checkpoint(folder, every=every), *callbacks],
    )
    return trainer, batches


def finish(trainer, batches):
    trainer.fit(batches, tg.data.DataLoader(images(30, 1), 30), EPOCHS - len(trainer.history))
    return {name: t.numpy().tobytes() for name, t in trainer.model.state_dict().items()}


class StopAt(Callback):
    """Ends the run as Ctrl-C does."""

    def __init__(self, step):
        self.step = step

    def on_batch_end(self, trainer, images):
        if trainer.steps == self.step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def finished():
    """A run at once for each default device, which is chosen for a single test."""
    return {}


@pytest.fixture
def unbroken(finished, tmp_path_factory):
    device = tg.get_default_device()
    if device not in finished:
        trainer, batches = make(tmp_path_factory.mktemp("unbroken"))
        finished[device] = finish(trainer, batches), trainer
    return finished[device]


@pytest.mark.parametrize("step", [1, 5, 6, 7, 13])
def test_a_resumed_run_gives_the_same_bits(tmp_path, unbroken, step):
    trainer, batches = make(tmp_path, [StopAt(step)])
    finish(trainer, batches)
    assert trainer.interrupted
    tg.manual_seed(99)  # nothing is left of the first process
    trainer, batches = make(tmp_path, [StopAt(None)])
    assert resume(trainer, tmp_path).name == f"step-{step:08d}.safetensors"
    assert trainer.steps == step
    assert finish(trainer, batches) == unbroken[0]
    want = [row._replace(seconds=0, images_per_second=0) for row in unbroken[1].history]
    got = [row._replace(seconds=0, images_per_second=0) for row in trainer.history]
    assert got == want


def test_layers_with_generators_of_their_own_go_on_too(tmp_path):
    trainer, batches = make(tmp_path / "a", own_generator=True)
    want = finish(trainer, batches)
    trainer, batches = make(tmp_path / "b", [StopAt(8)], own_generator=True)
    finish(trainer, batches)
    trainer, batches = make(tmp_path / "b", [StopAt(None)], own_generator=True)
    resume(trainer, tmp_path / "b")
    assert finish(trainer, batches) == want


def test_a_loader_on_the_default_generator_goes_on_too(tmp_path):
    def run(folder, callbacks=()):
        trainer, _ = make(folder, callbacks)
        return trainer, tg.data.DataLoader(images(), 10, shuffle=True)

    want = finish(*run(tmp_path / "a"))
    finish(*run(tmp_path / "b", [StopAt(9)]))
    trainer, batches = run(tmp_path / "b", [StopAt(None)])
    resume(trainer, tmp_path / "b")
    assert finish(trainer, batches) == want


SCRIPT = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("test_checkpoint", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

class Say(module.Callback):
    def on_batch_end(self, trainer, images):
        print(trainer.steps, flush=True)
        time.sleep(0.01)

trainer, batches = module.make(sys.argv[2], [Say()])
module.resume(trainer, sys.argv[2])
module.finish(trainer, batches)
module.tg.save(trainer.model.state_dict(), sys.argv[2] + "/model.safetensors")
"""


def test_a_run_killed_again_and_again_gives_the_same_bits(tmp_path, unbroken):
    """SIGKILL at moments inside and between steps; each start goes on from the last whole file."""
    command = [sys.executable, "-c", SCRIPT, __file__, str(tmp_path)]
    rng = np.random.default_rng(0)
    reached = 0
    for target in (2, 7, 13):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            reached = int(line)
            if reached >= target:
                break
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert reached >= 13
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    saved = tg.load(tmp_path / "model.safetensors")
    assert {name: t.numpy().tobytes() for name, t in saved.items()} == unbroken[0]
    assert not list(tmp_path.glob(".tmp-*"))


def test_the_newest_and_the_best_are_kept(tmp_path):
    trainer, batches = make(tmp_path, every=None)
    finish(trainer, batches)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.safetensors", "step-00000012.safetensors", "step-00000018.safetensors"]
    best = max(row.validation_accuracy for row in trainer.history)
    kept = read_checkpoint(tmp_path / "best.safetensors")
    assert kept["callbacks"][0]["best_value"] == best
    first = next(row for row in trainer.history if row.validation_accuracy == best)
    assert kept["steps"] == 6 * first.epoch


def test_a_run_that_begins_anew_replaces_the_files_once_it_has_its_own(tmp_path):
    trainer, batches = make(tmp_path, every=None)
    finish(trainer, batches)
    before = {path.name for path in tmp_path.iterdir()}
    trainer, batches = make(tmp_path, [StopAt(3)], every=None)
    finish(trainer, batches)
    assert {path.name for path in tmp_path.iterdir()} == before
    trainer, batches = make(tmp_path, [StopAt(7)])
    finish(trainer, batches)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.safetensors", "step-00000006.safetensors", "step-00000007.safetensors"]
    assert read_checkpoint(tmp_path / "best.safetensors")["steps"] == 6


def test_nothing_to_resume_is_none(tmp_path):
    trainer, _ = make(tmp_path)
    assert resume(trainer, tmp_path / "nowhere") is None


def test_a_cut_file_is_left_out_with_a_word(tmp_path):
    trainer, batches = make(tmp_path, [StopAt(4)])
    finish(trainer, batches)
    newest = tmp_path / "step-00000004.safetensors"
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    trainer, _ = make(tmp_path, [StopAt(None)])
    with pytest.warns(UserWarning, match=r"step-00000004.*; going on from step-00000003"):
        assert resume(trainer, tmp_path).name == "step-00000003.safetensors"
    assert trainer.steps == 3
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no whole checkpoint is left in"):
        resume(trainer, tmp_path)


def test_another_runs_checkpoint_is_refused_and_changes_nothing(tmp_path):
    trainer, batches = make(tmp_path, [StopAt(4)])
    finish(trainer, batches)
    other, _ = make(tmp_path, [StopAt(None)])
    other.optimizer = optim.SGD(other.model.parameters(), lr=0.1)
    before = other.model[0].weight.numpy().copy()
    with pytest.raises(ValueError, match="of optimizer 'AdamW' but this run has 'SGD'"):
        resume(other, tmp_path)
    other, _ = make(tmp_path, [StopAt(None)])
    other.model[5] = nn.Linear(64, 4)
    with pytest.raises(
        ValueError, match=r"5\.(weight is \(3, 64\)|bias is \(3,\)) but this model's"
    ):
        resume(other, tmp_path)
    np.testing.assert_array_equal(other.model[0].weight.numpy(), before)


@pytest.mark.parametrize("when", ["write", "sync"])
def test_a_full_disk_is_said_and_loses_nothing(tmp_path, monkeypatch, when):
    trainer, batches = make(tmp_path, [StopAt(4)])
    finish(trainer, batches)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    trainer, batches = make(tmp_path, [StopAt(None)])
    resume(trainer, tmp_path)

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((Path, "write_bytes") if when == "write" else (os, "fsync")), full)
    with pytest.raises(OSError, match=r"No space left on device: .*step-00000005\.safetensors"):
        finish(trainer, batches)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_read_only_folder_is_said_before_training_and_loses_nothing(
    tmp_path, monkeypatch, number
):
    """Refused as the system does it: no permission keeps root from writing."""
    trainer, batches = make(tmp_path, [StopAt(4)])
    finish(trainer, batches)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    os_open = os.open

    def refused(path, flags, *rest, **options):
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(str(tmp_path)):
            raise OSError(number, os.strerror(number), str(path))
        return os_open(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refused)
    trainer, batches = make(tmp_path)
    with pytest.raises(OSError, match=f"{os.strerror(number)}: '{tmp_path}'$"):
        finish(trainer, batches)
    assert trainer.steps == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_missing_package_is_said_before_training(tmp_path, monkeypatch):
    trainer, batches = make(tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="safetensors is not installed: pip install"):
        finish(trainer, batches)
    assert trainer.steps == 0


def test_a_folder_that_cannot_be_made_is_said_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    trainer, batches = make(tmp_path / "file" / "checkpoints")
    with pytest.raises(OSError, match="file"):
        finish(trainer, batches)
    assert trainer.steps == 0


def test_states_survive_their_file(tmp_path):
    state = {
        "numbers": [1, 2.5, True, None, float("inf"), "text"],
        "state": {0: {"m": np.arange(3.0)}, 1: {"v": np.zeros((2, 0), np.float32)}},
        "scalar": tg.tensor(3),
        "big": 2**127 + 1,
    }
    write_checkpoint(tmp_path / "a.safetensors", state)
    back = read_checkpoint(tmp_path / "a.safetensors")
    assert back["numbers"] == state["numbers"]
    assert back["big"] == 2**127 + 1
    np.testing.assert_array_equal(back["state"]["0"]["m"], np.arange(3.0), strict=True)
    assert back["state"]["1"]["v"].shape == (2, 0)
    assert back["scalar"] == 3


def test_what_is_no_state_is_refused(tmp_path):
    with pytest.raises(TypeError, match="a/1 must be a number, a text or an array, got function"):
        write_checkpoint(tmp_path / "a.safetensors", {"a": [1, make]})
    tg.save({"w": tg.zeros(1)}, tmp_path / "w.safetensors", {"epoch": "1"})
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        Checkpoint(tmp_path, keep=0)
    with pytest.raises(ValueError, match="best must be 'validation_accuracy'"):
        Checkpoint(tmp_path, best="accuracy")
