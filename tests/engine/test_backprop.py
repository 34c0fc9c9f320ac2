"""Backprop: order, accumulation, freeing, higher orders, what `grad` gives, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import OUT, Gate


def leaf(*values):
    return tg.tensor(values if len(values) > 1 else values[0], dtype="float64", requires_grad=True)


# Higher orders


def test_exp_is_its_own_derivative_to_the_fifth_order():
    x = leaf(0.5)
    y = x.exp()
    for _ in range(5):
        (y,) = tg.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(np.exp(0.5), rel=1e-15)


def test_a_value_and_its_derivative_are_differentiated_together():
    """Both lead through the gate that saved its output: once as it is, once by the saved value."""
    x = leaf(0.5, 2.0)
    y = x.exp()
    (dy,) = tg.grad(y.sum(), x, create_graph=True)
    (both,) = tg.grad((y + 2 * dy).sum(), x)
    np.testing.assert_allclose(both.numpy(), 3 * np.exp([0.5, 2.0]), rtol=1e-15)


def test_a_derivative_is_differentiated_by_backward():
    x = leaf(0.5)
    (dy,) = tg.grad(x.exp(), x, create_graph=True)
    dy.backward()
    assert x.grad.item() == pytest.approx(np.exp(0.5), rel=1e-15)
    assert not x.grad.requires_grad
