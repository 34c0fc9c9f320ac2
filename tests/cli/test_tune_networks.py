"""``tinygrad-cv tune`` of networks: what is tried, how it is scored, and what is refused."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score

from tinygrad_cv.cli import data_sets
from tinygrad_cv.cli.app import run
from tinygrad_cv.training import NetworkClassifier

FEW = ("--train-images", "120", "--folds", "2", "--jobs", "1")


def tuned(capsys, folder, *arguments):
    """What was said, and the table."""
    code = run(["tune", *arguments, *FEW, "--out", str(folder)])
    said = capsys.readouterr()
    assert code == 0, said.err
    with open(folder / "validation.csv", newline="") as file:
        return said.out.splitlines(), list(csv.DictReader(file))


def test_settings_of_layers_and_of_the_update_are_scored_as_scikit_learn_does(capsys, tmp_path):
    lines, rows = tuned(
        capsys, tmp_path, "mlp", "--epochs", "3", "--seed", "4",
        "--set", "hidden=[20,10],16", "--set", "lr=0.01,0.02",
    )  # fmt: skip
    assert [(row["hidden"], row["lr"]) for row in rows] == [
        ("[20, 10]", "0.01"), ("[20, 10]", "0.02"), ("16", "0.01"), ("16", "0.02"),
    ]  # fmt: skip
    X, y, *_ = data_sets.load("digits", None, 120, None, 4)
    folds = StratifiedKFold(2, shuffle=True, random_state=4)
    for row, hidden, lr in ((rows[1], [20, 10], 0.02), (rows[2], 16, 0.01)):
        net = NetworkClassifier(
            "mlp", image_shape=(1, 28, 28), settings={"hidden": hidden}, lr=lr, epochs=3,
            random_state=4,
        )  # fmt: skip
        want = cross_val_score(net, X, y, cv=folds)
        assert [float(row["fold1"]), float(row["fold2"])] == pytest.approx(want)
    assert sum("test accuracy" in line for line in lines) == 1
    assert (tmp_path / "validation.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_random_draws_of_a_convnet_depend_on_the_seed(capsys, tmp_path):
    arguments = (
        "convnet", "--epochs", "1", "--filters", "4", "--augment", "crop:2", "--draws", "2",
        "--set", "lr=0.001:0.1", "--set", "batch_size=20:40",
    )  # fmt: skip
    _, rows = tuned(capsys, tmp_path / "a", *arguments)
    assert rows == tuned(capsys, tmp_path / "b", *arguments)[1]
    assert len({row["lr"] for row in rows}) == 2
    assert all(0.001 <= float(row["lr"]) <= 0.1 for row in rows)
    assert all(20 <= int(row["batch_size"]) <= 40 for row in rows)


def test_a_step_size_that_is_too_large_scores_0_and_the_search_goes_on(capsys, tmp_path):
    lines, rows = tuned(
        capsys, tmp_path, "INPUT -> FC -> RELU -> FC", "--hidden", "16", "--optimizer", "sgd",
        "--epochs", "2", "--set", "lr=1e30,0.1",
    )  # fmt: skip
    assert float(rows[0]["mean"]) == 0
    assert float(rows[1]["mean"]) > 0.15
    assert lines[-2].startswith("chosen   lr=0.1 ")


def test_colours_are_standardized_by_the_training_images_alone():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (40, 3, 4, 4)).astype(np.uint8)
    net = NetworkClassifier("mlp", standardize=True, epochs=1, random_state=0)
    net.fit(images, np.arange(40) % 2)
    scaled = images / 255
    np.testing.assert_allclose(net.normalize_.mean, scaled.mean(axis=(0, 2, 3)), rtol=1e-6)
    brighter = net.predict_proba(images + np.uint8(100))
    plain = NetworkClassifier("mlp", epochs=1, random_state=0).fit(images, np.arange(40) % 2)
    plain.model_ = net.model_
    shifted = (scaled + 100 / 255 - scaled.mean(axis=(0, 2, 3), keepdims=True)) / scaled.std(
        axis=(0, 2, 3), keepdims=True
    )
    np.testing.assert_allclose(brighter, plain.predict_proba(shifted), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["knn", "--epochs", "3"], "--epochs: for networks, and knn is none"),
        (["mlp", "--filters", "8"], "--filters: mlp has no such setting"),
        (["mlp", "--set", "filters=8,16"], "--set: mlp has no setting 'filters'"),
        (["mlp", "--hidden", "few"], "--hidden: expected a whole number or a list"),
        (["mlp", "--set", "optimizer=newton", *FEW], "optimizer: expected adam"),
        (["lenet", "--augment", "spin", *FEW], "augment: expected flip"),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(["tune", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
