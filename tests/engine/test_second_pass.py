"""A second backward pass through one graph: refused where something was freed, as in PyTorch."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine.shortcuts import plain_python

KEPT = {  # the local gradient needs no array: shapes and settings, which are not freed
    "add": lambda lib, x, w: x + w,
    "add a number": lambda lib, x, w: x + 1,
    "subtract": lambda lib, x, w: x - w,
    "neg": lambda lib, x, w: -x,
    "sum": lambda lib, x, w: x.sum(),
    "mean": lambda lib, x, w: x.mean(),
    "reshape": lambda lib, x, w: x.reshape(2, 2),
    "slice": lambda lib, x, w: x[1:],
    "cat": lambda lib, x, w: lib.cat([x, w]),
    "clone": lambda lib, x, w: x.clone(),
    "cast": lambda lib, x, w: x.double(),
    "expand": lambda lib, x, w: x.expand(3, 4),
    "flip": lambda lib, x, w: x.flip(0),
    "floor": lambda lib, x, w: x.floor(),
    "several": lambda lib, x, w: ((x + w).sum() - x[0]).reshape(1),
}
FREED = {
    "mul": lambda lib, x, w: x * w,
    "mul by a number": lambda lib, x, w: x * 2,
    "div by a number": lambda lib, x, w: x / 2,
    "tanh": lambda lib, x, w: x.tanh(),
    "relu": lambda lib, x, w: x.relu(),
    "abs": lambda lib, x, w: x.abs(),
    "where": lambda lib, x, w: lib.where(x > 0, x, w),
    "max": lambda lib, x, w: x.max(),
    "clamp": lambda lib, x, w: x.clamp(0, 1),
    "matmul": lambda lib, x, w: x @ w,
    "masked_fill": lambda lib, x, w: x.masked_fill(x > 0, 1.0),
    "gather": lambda lib, x, w: x[lib.tensor([0, 2])],
    "a freed part": lambda lib, x, w: (x * w).sum() + x.sum(),
}


def twice(lib, function):
    """What two passes add up to; None if the second is refused."""
    x = lib.tensor([1.0, -2.0, 3.0, 0.5], requires_grad=True)
    w = lib.tensor([0.5, 2.0, -1.0, 4.0], requires_grad=True)
    y = function(lib, x, w)
    upstream = lib.ones_like(y)
    y.backward(upstream)
    try:
        y.backward(upstream)
    except RuntimeError as error:
        if "freed" not in str(error):
            raise
        return None
    return [np.asarray([0.0] * 4 if t.grad is None else t.grad.tolist()) for t in (x, w)]


@pytest.mark.parametrize("name", KEPT)
def test_gates_that_saved_nothing_are_gone_through_again(name):
    ours = twice(tg, KEPT[name])
    assert ours is not None
    with plain_python():
        np.testing.assert_array_equal(ours, twice(tg, KEPT[name]))


@pytest.mark.parametrize("name", FREED)
def test_gates_whose_arrays_were_freed_are_not(name):
    assert twice(tg, FREED[name]) is None
    with plain_python():
        assert twice(tg, FREED[name]) is None


@pytest.mark.torch
@pytest.mark.parametrize("name", [*KEPT, *FREED])
def test_a_second_pass_acts_as_in_torch(name):
    torch = pytest.importorskip("torch")
    function = {**KEPT, **FREED}[name]
    ours, theirs = twice(tg, function), twice(torch, function)
    assert (ours is None) == (theirs is None)
    if ours is not None:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("plain", [False, True])
def test_masks_die_with_the_backward_pass_as_saved_values_do(plain):
    x = tg.tensor([1.0, -2.0], requires_grad=True)
    y = x.clamp(min=tg.zeros(2))
    mask = weakref.ref(y.gate.masks[0])
    total = y + 1.0  # kept, and with it its parent
    if plain:
        with plain_python():
            total.sum().backward()
    else:
        total.sum().backward()
    assert y.gate is not None
    assert mask() is None


def test_hooks_of_a_gate_that_is_gone_through_again_run_again():
    seen = []
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x + 1
    y.register_hook(lambda grad: seen.append(grad.tolist()))
    total = y.sum()
    total.backward()
    total.backward()
    assert seen == [[1, 1], [1, 1]]


def test_a_users_gate_that_saves_nothing_is_gone_through_again():
    class Double(tg.Gate):
        def forward(self, x):
            self.twos = np.full_like(x, 2.0)  # its own affair
            return x * 2

        def backward(self, grad):
            return (grad * self.twos,)

    x = tg.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    y = Double()(x).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4, 4]
