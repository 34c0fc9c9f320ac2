"""``tinygrad-cv knn`` and ``tune``: what they print and write, and how they refuse."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from tinygrad_cv.cli import data_sets
from tinygrad_cv.cli.app import run
from tinygrad_cv.neighbors import KNeighborsClassifier


def cli(capsys, *arguments):
    code = run(list(arguments))
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out.splitlines()


def test_knn_prints_a_line_for_each_metric_and_k(capsys):
    lines = cli(
        capsys, "knn", "--data", "digits", "--metric", "l1", "--metric", "cosine", "-k", "3",
        "-k", "1", "--train-images", "500", "--test-images", "100", "--seed", "2",
    )  # fmt: skip
    assert lines[0].startswith("digits (inside the package): 500 training and 100 test images")
    rows = [line.split() for line in lines[2:]]
    assert [(row[0], row[1]) for row in rows] == [
        ("l1", "1"), ("l1", "3"), ("cosine", "1"), ("cosine", "3"),
    ]  # fmt: skip
    X, y, test_X, test_y, *_ = data_sets.load("digits", None, 500, 100, 2)
    want = KNeighborsClassifier(3, metric="l1").fit(X, y).score(test_X, test_y)
    assert float(rows[1][2]) == round(100 * want, 2)
    assert all(line.endswith("500 x 100, inside the package") for line in lines[2:])


def cifar_files(folder, count=10_000):
    """The binary version with random pixels."""
    rng = np.random.default_rng(0)
    target = folder / "cifar-10-batches-bin"
    target.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        records = rng.integers(0, 256, (count, 3073), np.uint8)
        records[:, 0] %= 10
        records.tofile(target / f"{name}.bin")
    return folder


def test_knn_shows_the_published_figure_for_the_whole_of_cifar10_alone(
    capsys, tmp_path, monkeypatch
):
    class Quick(KNeighborsClassifier):
        def predict_for(self, X, n_neighbors, progress=None):
            return {k: np.zeros(len(X), np.int64) for k in n_neighbors}

    root = cifar_files(tmp_path)
    monkeypatch.setattr("tinygrad_cv.neighbors.KNeighborsClassifier", Quick)
    lines = cli(capsys, "knn", "--data-root", str(root), "-k", "1", "-k", "2")
    assert [line.split()[4:6] for line in lines[2:]] == [
        ["38.6", "%"], ["-", "0.0"], ["35.4", "%"], ["-", "0.0"],
    ]  # fmt: skip
    assert all(line.endswith(f"50,000 x 10,000, files in {root}") for line in lines[2:])
    part = cli(capsys, "knn", "--data-root", str(root), "--test-images", "9")
    assert all("38.6" not in line and "35.4" not in line for line in part)


def test_the_jpeg_copy_is_recognised(monkeypatch):
    monkeypatch.setattr(data_sets.zlib, "crc32", lambda images: data_sets.JPEG_COPY)
    assert "JPEG copy" in data_sets._source("cifar10", None, np.zeros(1, np.uint8))
    monkeypatch.undo()
    monkeypatch.delenv("TINYGRAD_CV_DATA", raising=False)
    one = np.zeros(1, np.uint8)
    assert data_sets._source("cifar10", None, one) == "original, by checksum"
    monkeypatch.setenv("TINYGRAD_CV_DATA", "there")
    assert data_sets._source("cifar10", None, one) == "files in there"


def table_of(folder):
    with open(folder / "validation.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_tune_knn_tries_every_k_and_metric(capsys, tmp_path, jobs):
    lines = cli(
        capsys, "tune", "knn", "--data", "digits", "--train-images", "300", "--folds", "3",
        "--set", "n_neighbors=1,5", "--set", "metric=l1,l2", "--jobs", jobs, "--out", str(tmp_path),
    )  # fmt: skip
    rows = table_of(tmp_path)
    assert [(row["metric"], row["n_neighbors"]) for row in rows] == [
        ("l1", "1"), ("l1", "5"), ("l2", "1"), ("l2", "5"),
    ]  # fmt: skip
    for row in rows:
        folds = [float(row[f"fold{i}"]) for i in (1, 2, 3)]
        assert float(row["mean"]) == pytest.approx(np.mean(folds))
        assert float(row["std"]) == pytest.approx(np.std(folds))
        assert 0.4 < np.mean(folds) < 1
    best = max(rows, key=lambda row: float(row["mean"]))
    assert lines[-2].startswith(
        f"chosen   metric={best['metric']}, n_neighbors={best['n_neighbors']} "
    )
    assert sum("test accuracy" in line for line in lines) == 1
    assert (tmp_path / "validation.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_tune_scores_folds_as_scikit_learn_does(capsys, tmp_path):
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    cli(
        capsys, "tune", "knn", "--data", "digits", "--train-images", "300", "--folds", "3",
        "--set", "n_neighbors=3", "--set", "metric=l1", "--seed", "4", "--jobs", "1",
        "--out", str(tmp_path),
    )  # fmt: skip
    X, y, *_ = data_sets.load("digits", None, 300, None, 4)
    folds = StratifiedKFold(3, shuffle=True, random_state=4)
    want = cross_val_score(KNeighborsClassifier(3, metric="l1"), X, y, cv=folds)
    (row,) = table_of(tmp_path)
    assert [float(row[f"fold{i}"]) for i in (1, 2, 3)] == pytest.approx(want)


@pytest.mark.parametrize("model", ["svm", "softmax"])
def test_tune_of_linear_models_draws_by_the_seed(capsys, tmp_path, model):
    arguments = (
        "tune", model, "--data", "digits", "--train-images", "300", "--folds", "2", "--draws", "3",
        "--set", "alpha=0.001:0.1", "--set", "max_iter=3", "--jobs", "1",
    )  # fmt: skip
    cli(capsys, *arguments, "--out", str(tmp_path / "a"))
    cli(capsys, *arguments, "--out", str(tmp_path / "b"))
    rows = table_of(tmp_path / "a")
    assert rows == table_of(tmp_path / "b")
    assert len({row["alpha"] for row in rows}) == 3
    assert all(0.001 <= float(row["alpha"]) <= 0.1 and row["max_iter"] == "3" for row in rows)


def test_tune_knn_draws_and_draws_a_picture_of_words(capsys, tmp_path):
    arguments = ("tune", "knn", "--data", "digits", "--train-images", "200", "--folds", "2")
    cli(capsys, *arguments, "--draws", "4", "--jobs", "1", "--out", str(tmp_path))
    assert all(1 <= int(row["n_neighbors"]) <= 100 for row in table_of(tmp_path))
    cli(
        capsys, *arguments, "--set", "n_neighbors=1", "--set", "metric=l1,l2", "--jobs", "1",
        "--out", str(tmp_path / "words"),
    )  # fmt: skip
    assert [row["metric"] for row in table_of(tmp_path / "words")] == ["l1", "l2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("knn", "--data", "imagenet"), "--data: expected one of digits, .* got 'imagenet'"),
        (("knn", "--data", "digits", "--data-root", "x"), "--data-root: the digits are inside"),
        (("knn", "--data", "digits", "--metric", "l7", "--test-images", "9"), "Got 'l7' instead"),
        (("knn", "--data", "digits", "--test-images", "9999"), "--test-images: digits has 2,000"),
        (("knn", "--data", "digits", "-k", "20000"), "n_neighbors = 20000, n_samples_fit = 10000"),
        (("knn", "--data", "cifar10", "--data-root", "nowhere"), "root is 'nowhere'"),
        (("tune", "forest"), "MODEL: expected knn, svm, softmax, lenet, .* or a pattern, got 'forest'"),
        (("tune", "knn", "--set", "k"), "--set: expected NAME=VALUE,VALUE,… got 'k'"),
        (("tune", "knn", "--set", "k=1"), "--set: knn has no setting 'k'"),
        (("tune", "svm", "--set", "alpha=1:2"), "--set: a range for alpha needs --draws"),
        (("tune", "svm", "--draws", "2", "--set", "alpha=2:1"), "with 0 < LOW < HIGH, got 'alpha=2:1'"),
        (("tune", "knn", "--set", "n_neighbors=1,a"), "must be ints of at least 1, got 'a'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(list(arguments)) == 2
    said = capsys.readouterr().err.strip()
    assert re.search(re.escape(message) if "…" in message else message, said), said
    assert "\n" not in said


def test_a_setting_that_is_refused_is_one_line(capsys, tmp_path):
    arguments = ("tune", "svm", "--data", "digits", "--train-images", "300", "--jobs", "1")
    assert run([*arguments, "--set", "alpha=-1", "--out", str(tmp_path)]) == 2
    assert "'alpha' parameter of LinearSVMClassifier" in capsys.readouterr().err


def test_help_teaches(capsys):
    for command, words in [
        ("knn", "Nothing is learnt"),
        ("tune", "only then are the test images looked at, once"),
    ]:
        run([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert words in said
        assert "Example" in said
