"""The program as a user starts it: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.cli.app import run


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


@pytest.fixture(scope="module")
def half_trained(tmp_path_factory) -> Path:
    """A run of one epoch that may be resumed for a second."""
    folder = tmp_path_factory.mktemp("half")
    assert run(["train", "mlp", "--hidden", "8", "--epochs", "1", "--out", str(folder)]) == 0
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


def test_a_streamed_folder_trains_as_one_in_memory_and_names_what_it_leaves_out(
    photographs, tmp_path, capsys
):
    folder = tmp_path / "photographs"
    shutil.copytree(photographs, folder)
    (folder / "red" / "0.png").write_bytes(b"no picture")
    options = ["train", "mlp", "--data", str(folder), "--hidden", "4", "--epochs", "1"]
    options += ["--no-standardize", "--augment", "crop:1", "--workers", "2"]
    assert run([*options, "--out", str(tmp_path / "raise"), "--stream"]) == 2
    assert "0.png is no image" in capsys.readouterr().err
    skip = [*options, "--on-error", "skip", "--stream", "--out", str(tmp_path / "skip")]
    assert run(skip) == 0
    said = capsys.readouterr()
    assert re.search(r"note: left out \S*red/0\.png: .*no image", said.err)
    (folder / "red" / "0.png").write_bytes((folder / "red" / "1.png").read_bytes())
    weights = []
    for stream in ("--stream", "--no-stream"):
        out = tmp_path / stream
        assert run([*options, stream, "--out", str(out)]) == 0
        weights.append((out / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert run(["evaluate", str(tmp_path / "skip")]) == 0


@pytest.mark.parametrize(
    ("given", "workers"), [([], 0), (["--stream"], 1), (["--workers", "2"], 2)]
)
def test_images_in_files_have_a_worker_and_those_in_memory_none(
    photographs, tmp_path, monkeypatch, given, workers
):
    found, whole = [], tg.data.DataLoader.epoch

    def epoch(loader, skip=0):
        if loader.shuffle:  # the batches that are learned from
            found.append(loader.num_workers)
        return whole(loader, skip)

    monkeypatch.setattr(tg.data.DataLoader, "epoch", epoch)
    train = ["train", "mlp", "--data", str(photographs), "--hidden", "4", "--epochs", "1"]
    assert run([*train, *given, "--out", str(tmp_path)]) == 0
    assert found == [workers]


def test_find_lr_draws_and_suggests_and_trains_nothing(tmp_path, capsys):
    assert run(["train", "mlp", "--hidden", "16", "--find-lr", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    suggestion = float(re.search(r"begin with --lr (\S+),", said)[1])
    assert 1e-5 < suggestion < 1
    assert [path.name for path in tmp_path.iterdir()] == ["learning-rates.png"]
    assert (tmp_path / "learning-rates.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


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
        (["train", "lenet", "--device", "cuda:99"], "device 'cuda:99': "),
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


def test_resume_with_nothing_there_starts_anew_and_with_all_done_trains_no_more(trained, tmp_path):
    options = ["train", "mlp", "--hidden", "8", "--epochs", "1", "--resume", "--out", str(tmp_path)]
    first = cli(*options)
    assert first.returncode == 0, first.stderr
    assert f"nothing to resume in {tmp_path / 'checkpoints'}: starting anew" in first.stdout
    again = cli(*options)
    assert again.returncode == 0, again.stderr
    assert "after 180 steps" in again.stdout
    assert "epoch 1/1" not in again.stdout
    assert first.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--hidden", "9"), "started with --hidden 8, this one with --hidden 9"),
        (("--lr", "0.01"), "started with --lr 0.003, this one with --lr 0.01"),
        (("--augment", "flip"), "started without --augment, this one with --augment flip"),
        (("--batch-size", "40"), "started with --batch-size 50, this one with --batch-size 40"),
        (("--seed", "4"), "started with --seed 0, this one with --seed 4"),
    ],
    ids=str,
)
def test_resume_refuses_other_options_and_names_them(half_trained, capsys, change, said):
    before = {path: path.read_bytes() for path in half_trained.rglob("*") if path.is_file()}
    options = ["train", "mlp", "--hidden", "8", "--epochs", "2", "--out", str(half_trained)]
    assert run([*options, *change, "--resume"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "step-00000180.safetensors" in line
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("where", ["checkpoints/step-00000360", "model.safetensors", "steps.csv"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    half_trained, tmp_path, monkeypatch, capsys, where
):
    folder = tmp_path / "run"
    shutil.copytree(half_trained, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(path):
        if Path(where).name in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    options = ["train", "mlp", "--hidden", "8", "--epochs", "2", "--out", str(folder)]
    command = [*options, "--log", "csv", "--resume"]
    with monkeypatch.context() as patched:
        patched.setattr("tinygrad_cv.files._sync", full)
        assert run(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert where in line
    kept = [path for path in before if path.parent == folder / "checkpoints"]
    assert where == "model.safetensors" or all(path.exists() for path in kept)
    assert (folder / "model.safetensors").read_bytes() == before[folder / "model.safetensors"]
    assert not list(folder.rglob(".tmp-*"))
    assert run(command) == 0


def test_resume_takes_what_changes_no_number(tmp_path):
    """More epochs, other workers and logs: the bits of a run that was so from the start."""
    options = ["train", "mlp", "--hidden", "8", "--schedule", "constant", "--epochs", "2"]
    run_folder = tmp_path / "resumed"
    first = ["train", "mlp", "--hidden", "8", "--schedule", "constant", "--epochs", "1"]
    assert run([*first, "--out", str(run_folder)]) == 0
    rest = ["--workers", "0", "--log", "csv", "--checkpoint-every", "100", "--lr", "0.003"]
    assert run([*options, *rest, "--out", str(run_folder), "--resume"]) == 0
    assert run([*options, "--out", str(tmp_path / "whole")]) == 0
    weights = [tmp_path / name / "model.safetensors" for name in ("resumed", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_config_file_gives_options_and_the_command_line_goes_first(tmp_path):
    (tmp_path / "run.toml").write_text('epochs = 1\nhidden = [6, 5]\nlr = 0.5\naugment = "flip"\n')
    (tmp_path / "run.yaml").write_text("epochs: 1\nhidden: [6, 5]\nlr: 0.5\naugment: flip\n")
    for name in ("run.toml", "run.yaml"):
        out = tmp_path / "out"
        done = cli(
            "train", "mlp", "--config", str(tmp_path / name), "--lr", "0.01", "--out", str(out)
        )
        assert done.returncode == 0, done.stderr
        assert "lr 0.01" in done.stdout
        assert "epoch 1/1" in done.stdout
        assert tg.load(out / "model.safetensors")["fc1.weight"].shape == (6, 784)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "epohcs = 3", "has 'epohcs', but train has no such option"),
        ("a.toml", "epochs = ", "--config: "),
        ("a.yaml", "- 1\n- 2", "must hold names and values, got list"),
        ("a.json", "{}", r"expected a \.yaml, \.yml or \.toml file"),
    ],
)
def test_a_wrong_config_file_is_one_line(tmp_path, capsys, name, text, message):
    (tmp_path / name).write_text(text)
    assert run(["train", "mlp", "--config", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert len(said.splitlines()) == 1


def test_evaluate_prints_the_classes_and_draws_the_mistakes(trained):
    done = cli("evaluate", str(trained))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["class", "images", "recall", "%", "precision", "%"]
    recalls = [float(line.split()[2]) for line in lines[1:11]]
    accuracy = float(re.fullmatch(r"test accuracy (\d+\.\d\d) % \(2,000 images\)", lines[11])[1])
    assert sum(recalls) / 10 == pytest.approx(accuracy, abs=0.01)  # 200 images of each class
    assert f"test accuracy {accuracy:.2f} %" in (trained / "stdout.txt").read_text()
    for name in ("confusion.png", "mistakes.png"):
        assert (trained / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_report_is_one_page_with_everything_inside(trained):
    done = cli("report", str(trained))
    assert done.returncode == 0, done.stderr
    page = (trained / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,)", page)
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page
    images = re.findall(r"<img ([^>]*)>", page)
    assert len(images) == 9
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert page.count("<table>") == page.count("<thead>") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "mlp", "--augment", "spin"], "augment: expected flip, crop"),
        (["train", "mlp", "--augment", "crop:x"], r"crop takes a number \(pixels of padding\)"),
        (["train", "mlp", "--log", "paper"], "--log: expected csv or tensorboard, got 'paper'"),
        (["train", "mlp", "--on-error", "ignore"], "--on-error: expected raise or skip"),
        (["train", "mlp", "--stream"], "--stream: for a folder of images, and digits is none"),
        (["evaluate", "nowhere"], "No such file or directory: .*nowhere"),
        (["report", "nowhere"], "No such file or directory: .*nowhere"),
    ],
)
def test_mistakes_in_the_craft_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert len(said.splitlines()) == 1


def test_evaluate_refuses_data_of_other_classes(trained, tmp_path, capsys):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (28, 28)).save(tmp_path / name / f"{number}.png")
    assert run(["evaluate", str(trained), "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "has images (3, 28, 28) of 2 classes, but the network is for (1, 28, 28) and 10" in said
