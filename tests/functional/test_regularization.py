"""dropout: what is kept and dropped, in place or not."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv import nn


def test_dropout_scales_what_it_keeps_and_the_gradient_alike():
    tg.manual_seed(0)
    x = tg.tensor(np.linspace(1, 2, 200), requires_grad=True)
    y = F.dropout(x, 0.25)
    kept = y.detach().numpy() != 0
    np.testing.assert_allclose(y.detach().numpy(), np.where(kept, x.detach().numpy() / 0.75, 0))
    g = np.random.default_rng(0).standard_normal(200)
    y.backward(tg.tensor(g))
    np.testing.assert_allclose(x.grad.numpy(), np.where(kept, g / 0.75, 0))


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_dropout_in_place_writes_over_its_input(p):
    x = tg.ones(100, requires_grad=True)
    results = []
    for inplace in (False, True):
        tg.manual_seed(3)
        y = x * 3
        out = F.dropout(y, p, inplace=inplace)
        assert (out is y) == inplace
        (grad,) = tg.grad((out * out).sum(), x)
        results.append((out.tolist(), grad.tolist()))
    assert results[0] == results[1]


def test_dropout_in_place_needs_a_tensor_that_may_be_written():
    with pytest.raises(RuntimeError, match="dropout: the tensor is a leaf"):
        F.dropout(tg.ones(3, requires_grad=True), inplace=True)


def test_the_layer_passes_its_settings_on():
    y = tg.ones(4)
    assert nn.Dropout(1.0, inplace=True)(y) is y
    assert y.tolist() == [0, 0, 0, 0]
    y = tg.ones(4)
    assert nn.Dropout(1.0, inplace=True).eval()(y).tolist() == [1, 1, 1, 1]


def test_dropout_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match=r"probability to drop, in \[0, 1\], got 1.5"):
        F.dropout(tg.ones(2), 1.5)
