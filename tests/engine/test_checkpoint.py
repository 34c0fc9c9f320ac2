"""Checkpoints: the same gradients, less memory, and what makes a second call go wrong."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.utils.checkpoint import checkpoint_sequential


def block(x, w, b=None):
    y = F.relu(x * w).exp()
    return y * y + (0 if b is None else b)


def gradients(run):
    rng = np.random.default_rng(8)
    x = tg.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    w = tg.tensor(rng.standard_normal(4), requires_grad=True)
    (run(x * 2, w) * tg.tensor(rng.standard_normal((3, 4)))).sum().backward()
    return x.grad.numpy(), w.grad.numpy()


@pytest.mark.parametrize(
    "run",
    [
        lambda x, w: tg.checkpoint(block, x, w),
        lambda x, w: tg.checkpoint(lambda x: block(x, w), x),
        lambda x, w: tg.checkpoint(block, x, w=w),
        lambda x, w: tg.checkpoint(lambda pair: (block(*pair), 3), (x, w))[0],
        lambda x, w: tg.checkpoint(lambda x: tg.checkpoint(block, x, w), x),
    ],
    ids=["arguments", "closure", "keywords", "nested arguments", "checkpoint in a checkpoint"],
)
def test_gradients_are_those_without(run):
    for got, want in zip(gradients(run), gradients(block), strict=True):
        np.testing.assert_array_equal(got, want)


def test_second_derivatives_go_through():
    x = tg.tensor(0.7, requires_grad=True)
    y = tg.checkpoint(lambda x: (x * x).exp(), x)
    (dx,) = tg.grad(y, x, create_graph=True)
    (ddx,) = tg.grad(dx, x)
    assert ddx.item() == pytest.approx((2 + 4 * 0.7**2) * np.exp(0.7**2))


def test_nothing_is_held_until_the_backward_pass():
    calls = []

    def counted(x):
        calls.append(1)
        return F.relu(x) * x

    x = tg.ones(3, requires_grad=True)
    y = tg.checkpoint(counted, x)
    assert len(calls) == 1
    assert y.gate.saved == ()
    (y * 2).sum().backward()
    assert len(calls) == 2
    assert x.grad.tolist() == [4.0, 4.0, 4.0]


def test_random_numbers_are_drawn_again():
    tg.manual_seed(3)
    x = tg.ones(200, requires_grad=True)
    y = tg.checkpoint(lambda x: F.dropout(x, 0.5), x)
    after = tg.rand(1).item()
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    tg.manual_seed(3)
    F.dropout(x, 0.5)
    assert tg.rand(1).item() == after


def test_a_function_that_changes_its_mind_is_an_error():
    calls = []

    def fickle(x):
        calls.append(1)
        return x * x if len(calls) == 1 else x + x

    y = tg.checkpoint(fickle, tg.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError, match=r"other gates when it was called again \(1, not 1"):
        y.sum().backward()


def test_an_argument_written_to_is_an_error():
    x = tg.ones(2, requires_grad=True) * 1
    y = tg.checkpoint(lambda x: (x + 1) * 2, x)
    with tg.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match=r"argument of shape \(2,\) was changed in place"):
        y.sum().backward()


def test_without_a_graph_nothing_is_kept():
    assert not tg.checkpoint(block, tg.ones(2), tg.ones(2)).requires_grad


def test_sequential_is_the_chain_in_segments():
    w = tg.tensor([0.5, -0.5], requires_grad=True)
    steps = [lambda x: x * w, F.relu, lambda x: x.exp(), lambda x: x * w, lambda x: x + 1]
    grads = []
    for segments in (1, 2, 5):
        w.grad = None
        checkpoint_sequential(steps, segments, tg.tensor([1.0, 2.0])).sum().backward()
        grads.append(w.grad.tolist())
    assert grads[0] == grads[1] == grads[2]
    with pytest.raises(ValueError, match="segments must be 1 to 5, got 6"):
        checkpoint_sequential(steps, 6, tg.ones(2))
