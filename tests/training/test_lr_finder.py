"""The learning-rate finder: where a loss that is known falls fastest and explodes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim
from tinygrad_cv.training import find_learning_rate


def problem():
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    points = tg.randn(60, 4)
    labels = tg.tensor(points.numpy()[:, :3].argmax(axis=1))
    batches = tg.data.DataLoader(tg.data.TensorDataset(points, labels), 20)
    return model, optim.SGD(model.parameters(), lr=0.123, momentum=0.9), batches


def test_the_suggestion_learns_and_far_more_does_not():
    model, sgd, batches = problem()
    found = find_learning_rate(model, sgd, batches, low=1e-5, high=1e3)
    assert len(found.rates) == len(found.losses) < 100  # it stopped where the loss exploded
    assert found.suggestion == found.rates[int(np.argmin(found.losses))] / 10
    assert 1e-3 < found.suggestion < 10
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e8) / 99, rtol=1e-6)

    def loss_after(lr):
        model, sgd, batches = problem()
        sgd.param_groups[0]["lr"] = lr
        tg.training.Trainer(model, sgd).fit(batches, batches, 5)
        return tg.training.evaluate(model, batches).loss

    assert loss_after(found.suggestion) < 0.8
    assert loss_after(found.suggestion / 1e3) > 0.9


def test_model_and_optimizer_come_back_as_they_were():
    model, sgd, batches = problem()
    before = [p.numpy().copy() for p in model.parameters()]
    find_learning_rate(model, sgd, batches)
    for parameter, want in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), want)
    assert sgd.param_groups[0]["lr"] == 0.123
    assert not sgd.state


def test_what_cannot_be_searched_is_refused():
    model, sgd, batches = problem()
    with pytest.raises(ValueError, match=r"expected 0 < low < high, got 1 and 0\.1"):
        find_learning_rate(model, sgd, batches, low=1, high=0.1)
    with pytest.raises(ValueError, match="steps must be at least 10, got 3"):
        find_learning_rate(model, sgd, batches, steps=3)
    with pytest.raises(ValueError, match="no batches"):
        find_learning_rate(model, sgd, [])
    with pytest.raises(ValueError, match="the loss did not fall from"):
        find_learning_rate(model, sgd, [next(iter(batches))], low=1e-20, high=1e-19)
