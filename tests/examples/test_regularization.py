"""The demonstration of regularizers shows what it says, on its first seed."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "regularization.py"


@pytest.fixture(scope="module")
def results():
    """The numbers of each method by the first word of its name; `both` for the last."""
    names = runpy.run_path(str(EXAMPLE))
    methods = names["METHODS"]
    keys = ["nothing", "L2", "L1", "elastic", "max-norm", "dropout", "smoothing", "both"]
    assert len(methods) == len(keys)
    return {
        key: names["run"](method, 0, 30) for key, method in zip(keys, methods.values(), strict=True)
    }


def test_without_help_the_mistakes_are_learned_by_heart(results):
    plain = results["nothing"]
    assert plain.train_accuracy == 1.0
    assert plain.train_loss < 0.05
    assert plain.validation_accuracy < 0.8


@pytest.mark.parametrize("key", ["L2", "L1", "elastic", "max-norm", "dropout", "smoothing", "both"])
def test_each_lowers_the_loss_on_other_digits(results, key):
    plain, held = results["nothing"], results[key]
    assert held.validation_loss < plain.validation_loss
    assert held.train_loss > plain.train_loss


@pytest.mark.parametrize("key", ["L2", "elastic", "max-norm"])
def test_limits_on_weights_keep_the_mistakes_out(results, key):
    # 80 of the 400 labels are wrong: who is right on more has learned some of them.
    assert results[key].train_accuracy < 0.9


def test_each_leaves_its_mark_on_the_weights(results):
    plain = results["nothing"]
    assert results["L1"].zeros > 0.3 > 10 * plain.zeros
    assert results["elastic"].zeros > 0.5
    assert results["max-norm"].longest == pytest.approx(0.4, rel=1e-5)
    assert results["L2"].longest < 0.7 * plain.longest
