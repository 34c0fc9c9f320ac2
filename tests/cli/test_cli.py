"""The program as a user starts it: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path


def cli(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinygrad_cv", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run folder after one epoch on the packed digits."""
    folder = tmp_path_factory.mktemp("run")
    done = cli("train", "lenet", "--epochs", "1", "--seed", "3", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


def test_train_prints_epochs_and_test_accuracy(trained):
    said = (trained / "stdout.txt").read_text()
    assert re.search(r"epoch 1/1  train loss \d.*validation loss .*images/s", said)
    last = said.strip().splitlines()[-1]
    found = re.fullmatch(r"test accuracy (\d+\.\d\d) % \(2,000 images\)", last)
    assert found
    assert float(found[1]) > 85


def test_train_writes_weights_history_and_curves(trained):
    weights = tg.load(trained / "model.safetensors")
    assert weights["conv1.weight"].shape == (6, 1, 5, 5)
    with open(trained / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"]
    assert 0 < float(rows[0]["validation_accuracy"]) <= 1
    assert (trained / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_train_with_the_same_seed_gives_the_same_bits(trained, tmp_path):
    done = cli("train", "lenet", "--epochs", "1", "--seed", "3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == (
        trained / "model.safetensors"
    ).read_bytes()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """A folder of two classes of small colour images: red ones and blue ones."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("red", "blue")):
        (folder / name).mkdir()
        for i in range(60):
            pixels = rng.integers(0, 120, (8, 8, 3)).astype(np.uint8)
            pixels[..., 2 * label] += 120
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_train_learns_a_folder_of_images_by_a_pattern(photographs, tmp_path):
    pattern = "INPUT -> [CONV -> BN -> RELU -> POOL]*2 -> FC -> RELU -> DROPOUT -> FC"
    settings = ["--filters", "4,8", "--kernel-size", "3", "--hidden", "16", "--dropout", "0.1"]
    rule = ["--optimizer", "nesterov", "--lr", "0.02", "--momentum", "0.8", "--weight-decay"]
    rest = ["1e-4", "--schedule", "onecycle", "--schedule-unit", "step", "--max-norm", "3"]
    more = ["--regularizer", "elastic:1e-6,1e-6", "--label-smoothing", "0.05", "--batch-size", "16"]
    done = cli(
        "train", pattern, "--data", str(photographs), *settings, *rule, *rest, *more,
        "--epochs", "6", "--seed", "1", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{pattern} on {photographs.name}: 87 training, 9 validation and 24 test" in done.stdout
    assert "SGD, lr 0.02, onecycle, ElasticNet(l1=1e-06, l2=1e-06), max-norm 3" in done.stdout
    assert float(re.search(r"test accuracy (\d+\.\d\d) %", done.stdout)[1]) > 90
    model, description = tg.training.load_run(tmp_path)
    assert description["classes"] == ["blue", "red"]
    assert description["settings"]["filters"] == [4, 8]
    assert len(description["transform"].mean) == 3  # colour is standardized
    assert max(np.linalg.norm(model.fc1.weight.numpy(), axis=1)) <= 3.001

    def seen(path):
        done = cli("predict", str(tmp_path), str(path))
        assert done.returncode == 0, done.stderr
        return re.search(r": (\w+)  \(", done.stdout)[1]

    assert seen(photographs / "red" / "7.png") == "red"
    for size in ((80, 56), (5, 5)):  # larger and smaller than what it learned from
        from PIL import Image

        Image.new("RGB", size, (40, 50, 170)).save(tmp_path / "sky.png")
        assert seen(tmp_path / "sky.png") == "blue"


def test_departures_from_the_rules_of_thumb_are_noted(photographs, tmp_path):
    done = cli(
        "train", "INPUT -> CONV -> RELU -> FC", "--data", str(photographs), "--kernel-size", "7",
        "--no-standardize", "--epochs", "1", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "note: convnet: CONV 7x7: filters of 3x3 to 5x5, and more of them, do better\n"
    )
    assert tg.training.load_run(tmp_path)[1]["transform"] is None


def digit_file(folder: Path, label: int) -> Path:
    """A test digit as a large dark figure on white paper, as a PNG."""
    from PIL import Image

    data = tg.data.digits(train=False)
    image = data.images[int(np.flatnonzero(data.labels == label)[0]), 0]
    paper = np.full((400, 300), 255, np.uint8)
    paper[60:284, 40:264] = 255 - np.kron(image, np.ones((8, 8), np.uint8))
    path = folder / f"{label}.png"
    Image.fromarray(paper).save(path)
    return path


def test_predict_reads_photographed_digits(trained, tmp_path):
    labels = [1, 0, 6]
    done = cli("predict", str(trained), *[str(digit_file(tmp_path, n)) for n in labels])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert [re.search(r": (\d)  \(", line)[1] for line in lines] == [str(n) for n in labels]
    assert all(line.count("%") == 5 for line in lines)


def test_interrupted_training_saves_what_there_is(tmp_path):
    command = [sys.executable, "-u", "-m", "tinygrad_cv", "train", "lenet", "--epochs", "500"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Shells start background jobs with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    while line and not line.startswith("epoch 1/"):
        line = process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped after" in said
    assert "Traceback" not in errors
    assert "conv1.weight" in tg.load(tmp_path / "model.safetensors")
    assert (tmp_path / "history.csv").read_text().startswith("epoch,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "alexnot"], "model: expected lenet, mlp, convnet, vgg11"),
        (["train", "lenet", "--data", "cats"], "--data: expected digits, mnist, fashion_mnist"),
        (["train", "INPUT -> CNOV -> FC"], "'CNOV'; did you mean CONV?, in column 10 of 'INPUT ->"),
        (
            ["train", "INPUT -> [CONV -> POOL]*3 -> FC"],
            "pool3 (POOL 2x2, stride 2, padding 0) does",
        ),
        (["train", "vgg11"], "takes 32 x 32, but these are 28 x 28"),
        (["train", "lenet", "--filters", "8"], "model: lenet has no setting filters"),
        (["train", "convnet", "--filters", "8,x"], "--filters: expected a whole number or a list"),
        (["train", "convnet", "--hidden", "-3"], "--hidden: expected a whole"),
        (
            ["train", "convnet", "--filters", "8,16,32"],
            "filters has 3 values but the pattern has 2",
        ),
        (["train", "convnet", "--kernel-size", "0"], "kernel_size must be at least 1, got 0"),
        (["train", "convnet", "--fit", "round"], "fit must be 'strict' or 'floor', got 'round'"),
        (["train", "mlp", "--dropout", "1.5"], "p is a probability, in [0, 1], got 1.5"),
        (["train", "lenet", "--optimizer", "adamm"], "optimizer: expected adam, adamw, nadam, sgd"),
        (["train", "lenet", "--momentum", "0.9"], "adam has no momentum; sgd, nesterov, rmsprop"),
        (["train", "lenet", "--weight-decay", "-1"], "weight_decay must be at least 0, got -1.0"),
        (
            ["train", "lenet", "--regularizer", "l3:1"],
            "expected l2:STRENGTH, l1:STRENGTH or elasti",
        ),
        (["train", "lenet", "--schedule-unit", "batch"], "must be 'epoch' or 'step', got 'batch'"),
        (
            ["train", "lenet", "--schedule", "plateau", "--schedule-unit", "step"],
            "a plateau is seen",
        ),
        (["train", "lenet", "--max-norm", "0"], "max_norm must be above 0, got 0"),
        (["train", "lenet", "--label-smoothing", "2"], "Invalid value for '--label-smoothing'"),
        (["train", "lenet", "--data-root", "/there"], "--data: digits needs no root, got '/there'"),
        (["train", "lenet", "--device", "tpu"], "expected 'cpu', 'cuda' or 'cuda:<number>'"),
        (["train", "lenet", "--device", "cuda"], "runs on the CPU"),
        (["train", "lenet", "--schedule", "up"], "schedule: expected constant, cosine, step"),
        (["train", "lenet", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["train", "lenet", "--lr", "-1"], "lr must be at least 0, got -1.0"),
        (["train", "lenet", "--batch-size", "x"], "Invalid value for '--batch-size'"),
        (["train", "lenet", "--colour", "red"], "No such option: --colour"),
        (["train", "lenet", "--data", "mnist", "--data-root", "/nonexistent"], "/nonexistent"),
        (["predict", "/nonexistent", "x.png"], "/nonexistent"),
        (["gradcheck", "exq"], "no differentiable operation is called 'exq'; did you mean 'exp'?"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("tinygrad-cv: ")
    assert message in said[0]
    assert not list(tmp_path.iterdir())


def test_predict_standardizes_as_the_training_did(tmp_path):
    folder, image = tmp_path / "run", digit_file(tmp_path, 3)
    done = cli("train", "mlp", "--epochs", "1", "--standardize", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    done = cli("predict", str(folder), str(image))
    assert done.returncode == 0, done.stderr
    model, description = tg.training.load_run(folder)
    pixels = tg.data.digit_image(tg.data.load_image(image))
    values = (pixels - description["transform"].mean[0]) / description["transform"].std[0]
    with tg.no_grad():
        chances = tg.functional.softmax(model(tg.tensor(values[None])), 1).numpy()[0]
    best = int(chances.argmax())
    assert f"{best}  ({best} {100 * chances[best]:.2f} %" in done.stdout


def test_predict_says_which_file_is_no_image(trained, tmp_path, capfd):
    (tmp_path / "note.png").write_text("not an image")
    assert run(["predict", str(trained), str(tmp_path / "note.png")]) == 2
    assert "note.png" in capfd.readouterr().err


def test_predict_refuses_a_checkpoint_of_another_architecture(tmp_path, capfd):
    metadata = {"architecture": "lenet", "channels": "1", "height": "28", "width": "28"}
    metadata["classes"] = "\n".join("0123456789")
    tg.save({"fc.weight": tg.zeros(2, 2)}, tmp_path / "model.safetensors", metadata)
    assert run(["predict", str(tmp_path), "x.png"]) == 2
    said = capfd.readouterr().err
    assert "does not fit lenet" in said
    assert "fc.weight" in said


def test_predict_refuses_a_truncated_checkpoint(trained, tmp_path, capfd):
    whole = (trained / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert run(["predict", str(tmp_path), "x.png"]) == 2
    assert "model.safetensors" in capfd.readouterr().err


def test_info_prints_the_instruction_set_and_threads(capfd):
    assert run(["info"]) == 0
    said = capfd.readouterr().out
    assert f"tinygrad_cv      {tg.__version__}" in said
    assert re.search(r"instruction set +\w+ \(of ", said)
    assert re.search(r"threads +\d+", said)


def test_info_says_which_algorithm_a_convolution_takes(capfd):
    assert run(["info", "--conv", "8x64x56x56:64x3x3,padding=1"]) == 0
    header, *lines = capfd.readouterr().out.splitlines()
    assert header.split() == ["pass", "algorithm", "threads", "scratch", "why"]
    passes = ["forward", "backward_input", "backward_weight"]
    assert [line.split()[0] for line in lines] == passes
    for line, name in zip(lines, passes, strict=True):
        plan = tg._core.conv2d_plan(
            (8, 64, 56, 56), (64, 64, 3, 3), ((1, 1), (1, 1), (1, 1), 1), name
        )
        assert line.split()[1] == plan["algorithm"]
        assert line.endswith(plan["why"])


def test_info_knows_groups_strides_and_float64(capfd):
    assert run(["info", "--conv", "1x8x9x9:8x3x3,groups=8,stride=2,dtype=float64"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("64x64", "expected NxCxHxW:KxRxS"),
        ("1x8x9x9:8x3x3,groups=3", "8 channels do not divide into 3 groups"),
        ("1x8x9x9:8x3x3,step=3", "'step=3' is not a setting"),
        ("1x8x2x2:8x3x3", "3"),
    ],
)
def test_info_refuses_a_wrong_convolution(shape, said, capfd):
    assert run(["info", "--conv", shape]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_gradcheck_prints_a_line_for_each_operation(capfd):
    assert run(["gradcheck", "exp", "relu", "--examples", "3"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["exp", "relu"]
    assert lines[-1].startswith("2 of 2 operations pass, in ")


def test_gradcheck_fails_for_a_wrong_gate(monkeypatch, capfd):
    from tinygrad_cv.gates.exponential import Exp

    right = Exp.backward
    monkeypatch.setattr(Exp, "backward", lambda self, grad: (right(self, grad)[0] * 1.001,))
    assert run(["gradcheck", "exp", "--examples", "3"]) == 1
    said = capfd.readouterr().out
    assert "WRONG" in said
    assert said.splitlines()[-1].startswith("0 of 1 operations pass")


def test_gradcheck_goes_on_after_an_error(monkeypatch, capfd):
    from tinygrad_cv.gates.exponential import Exp

    monkeypatch.setattr(Exp, "backward", lambda self, grad: 1 / 0)
    assert run(["gradcheck", "exp", "relu", "--examples", "3", "--seed", "5"]) == 1
    said = capfd.readouterr().out
    assert "ZeroDivisionError: division by zero" in said
    assert said.splitlines()[-1].startswith("1 of 2 operations pass")


@pytest.mark.parametrize("command", ["train", "predict", "gradcheck", "info"])
def test_help_teaches(command, capfd):
    assert run([command, "--help"]) == 0
    said = capfd.readouterr().out
    assert "Usage" in said
    assert "Example" in said


def test_help_of_train_names_all_there_is(capfd):
    from tinygrad_cv.training.architectures import ARCHITECTURES
    from tinygrad_cv.training.recipe import OPTIMIZERS, SCHEDULES

    assert run(["train", "--help"]) == 0
    said = " ".join(re.sub(r"[│\n]", " ", capfd.readouterr().out).split())
    for name in (*ARCHITECTURES, *OPTIMIZERS, *SCHEDULES, "cifar10", "fashion_mnist", "runs/MODEL"):
        assert name in said, name


def test_debug_shows_the_traceback():
    done = cli("--debug", "train", "lenet", "--data", "cats")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_without_the_extra_the_program_says_what_to_install(tmp_path):
    (tmp_path / "typer.py").write_text("raise ImportError('no typer here')")
    done = cli("info", env={"PYTHONPATH": str(tmp_path), "PATH": ""})
    assert done.returncode == 1
    assert done.stderr.strip() == (
        'tinygrad-cv: typer is not installed: pip install "tinygrad-cv[train]"'
    )
