"""Rows of docs/conventions.md: Labels and losses."""

from __future__ import annotations

import math

import pytest
from on_device import check_refused

INF = math.inf


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize(
    "loss", ["cross_entropy", "nll_loss", "multi_margin_loss", "multiclass_svm_loss"]
)
def test_label_that_is_no_class(lib, F, loss, label):
    says = rf"{loss}: target\[1\] is {label} but input \(2, 3\) has classes 0 to 2"
    x, target = lib.zeros(2, 3), lib.tensor([0, label])
    check_refused(lambda: getattr(F, loss)(x, target), IndexError, says)


def test_label_100(lib, F, gradient):
    def loss(x):
        return F.cross_entropy(x, lib.tensor([1, -100]))

    got = gradient(loss, [[0, 0], [1, 2]])
    assert got == [[0.5, -0.5], [0, 0]]  # the mean is over one row


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_ignored_label_beside_infinite_scores(lib, F, gradient, label_smoothing):
    def loss(x):
        target = lib.tensor([0, -100, 1])[: len(x)]
        return F.cross_entropy(x, target, label_smoothing=label_smoothing)

    alone, row = loss(lib.tensor([[1.0, 2.0]])), [[1.0, 2.0], [-INF, 3.0]]
    assert loss(lib.tensor(row)).item() == pytest.approx(alone.item())
    assert gradient(loss, row)[1] == [0, 0]


def test_no_label_but_ignored_ones(lib, F):
    x = lib.zeros(2, 3, requires_grad=True)
    loss = F.cross_entropy(x, lib.tensor([-100, -100]))
    assert math.isnan(loss.item())
    loss.backward()
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_loss_of_an_empty_batch(lib, F):
    x, labels = lib.zeros(0, 3), lib.zeros(0, dtype=lib.int64)
    assert math.isnan(F.cross_entropy(x, labels).item())
    assert math.isnan(F.mse_loss(x, x).item())
    assert F.cross_entropy(x, labels, reduction="sum").item() == 0


def test_mse_loss_of_two_shapes(lib, F):
    with pytest.warns(UserWarning, match=r"broadcast"):
        loss = F.mse_loss(lib.zeros(3, 1), lib.tensor([1.0, 2.0, 3.0]))
    assert loss.item() == pytest.approx(14 / 3)
