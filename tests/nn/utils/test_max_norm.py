"""Max-norm limits each output unit's incoming weights, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import nn


@given(seed=st.integers(0, 999), c=st.floats(0.1, 10.0))
def test_rows_and_filters_are_limited_and_keep_their_direction(seed, c):
    generator = tg.Generator(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2, dtype=tg.float64, generator=generator),
        nn.Flatten(),
        nn.Linear(4, 5, dtype=tg.float64, generator=generator),
    )
    for layer in (net[0], net[2]):
        nn.init.normal_(layer.weight, std=2.0, generator=generator)
    before = [net[i].weight.numpy().copy() for i in (0, 2)]
    biases = [net[i].bias.numpy().copy() for i in (0, 2)]
    assert nn.utils.max_norm_(net, c) is net
    for i, weight, bias in zip((0, 2), before, biases, strict=True):
        for row, old in zip(net[i].weight.numpy(), weight, strict=True):
            length = np.linalg.norm(old)
            np.testing.assert_allclose(row, old * min(1.0, c / length), rtol=1e-12)
        np.testing.assert_array_equal(net[i].bias.numpy(), bias)


def test_rows_within_the_limit_keep_their_bits():
    layer = nn.Linear(3, 2)
    before = layer.weight.numpy().copy()
    nn.utils.max_norm_(layer, 100.0)
    assert layer.weight.numpy().tobytes() == before.tobytes()


def test_zero_weights_stay_zero():
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": np.array([[0.0, 0.0], [9.0, 0.0]]), "bias": np.zeros(2)})
    assert nn.utils.max_norm_(layer, 3.0).weight.tolist() == [[0.0, 0.0], [3.0, 0.0]]


def test_a_write_is_seen_by_backward():
    layer = nn.Linear(2, 2)
    nn.init.ones_(layer.weight)
    loss = layer(tg.ones(1, 2, requires_grad=True)).sum()
    nn.utils.max_norm_(layer, 0.5)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_limit_must_be_positive():
    with pytest.raises(ValueError, match=r"c must be above 0, got 0"):
        nn.utils.max_norm_(nn.Linear(1, 1), 0.0)


def test_filters_of_rows_are_limited_too():
    layer = nn.Conv1d(2, 3, 4, generator=tg.Generator(0))
    nn.init.ones_(layer.weight)  # each filter of length sqrt(8)
    weight = nn.utils.max_norm_(layer, 1.0).weight.numpy()
    np.testing.assert_allclose(weight, 1 / np.sqrt(8), rtol=1e-6)
