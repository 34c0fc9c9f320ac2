"""Penalties: their values and gradients by formula, and what they are taken of."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.nn.regularizers import L1, L2, ElasticNet

W = np.array([[1.0, -2.0], [0.0, 0.5]])
CASES = [
    (L2(0.3), 0.15 * (W**2).sum(), 0.3 * W),
    (L2(0.3, half=False), 0.3 * (W**2).sum(), 0.6 * W),
    (L1(0.3), 0.3 * np.abs(W).sum(), 0.3 * np.sign(W)),
    (ElasticNet(0.3, 0.7), 0.3 * np.abs(W).sum() + 0.7 * (W**2).sum(),
     0.3 * np.sign(W) + 1.4 * W),
]  # fmt: skip


@pytest.mark.parametrize(("penalty", "value", "gradient"), CASES, ids=repr)
def test_value_and_gradient(penalty, value, gradient):
    w = tg.tensor(W, requires_grad=True)
    loss = penalty(w)
    assert loss.item() == pytest.approx(value)
    loss.backward()
    np.testing.assert_allclose(w.grad.numpy(), gradient)


def test_networks_and_lists_without_biases_unless_asked_for():
    net = nn.Sequential(nn.Linear(2, 2), nn.PReLU(2), nn.Linear(2, 1))
    for param in net.parameters():
        nn.init.ones_(param)
    assert L1(1.0)(net).item() == 6.0
    assert L1(1.0)(net.parameters()).item() == 6.0
    assert L1(1.0, biases=True)(net).item() == 11.0
    assert L2(1.0, half=False, biases=True)(list(net.parameters())).item() == 11.0
    assert ElasticNet(1.0, 1.0, biases=True)(net[1]).item() == 4.0


def test_nothing_to_penalise_is_zero_of_the_networks_dtype():
    none = L2(1.0)(nn.PReLU(3).double())
    assert none.item() == 0.0
    assert none.dtype == np.float64
    assert L1(1.0)([]).item() == 0.0


def test_weight_decay_and_l2_are_one_and_the_same_step():
    def weights(penalty, decay):
        layer = nn.Linear(3, 2, dtype=tg.float64, generator=tg.Generator(0))
        optimizer = tg.optim.SGD(layer.parameters(), lr=0.1, weight_decay=decay)
        x = tg.randn(5, 3, dtype=tg.float64, generator=tg.Generator(1))
        for _ in range(3):
            optimizer.zero_grad()
            loss = (layer(x) * layer(x)).sum()
            (loss + penalty(layer) if penalty else loss).backward()
            optimizer.step()
        return layer.weight.numpy()

    np.testing.assert_allclose(weights(L2(0.2, biases=True), 0.0), weights(None, 0.2), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: L2(-1.0), "L2: lam must be at least 0"), (lambda: L1(-1.0), "L1: lam must be"),
     (lambda: ElasticNet(1.0, -1.0), "ElasticNet: l2 must be"),
     (lambda: ElasticNet(-1.0, 1.0), "ElasticNet: l1 must be")],
)  # fmt: skip
def test_strengths_below_zero(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_parameter():
    with pytest.raises(TypeError, match="L2: parameter 1 must be a Tensor, got float"):
        L2(1.0)([tg.zeros(2, 2), 3.0])
