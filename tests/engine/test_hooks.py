"""Hooks on gradients, and gradients that are kept of a gate's result."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg


def leaf(*values):
    return tg.tensor(values if len(values) > 1 else values[0], dtype="float64", requires_grad=True)


def test_a_hook_sees_and_replaces_the_gradient():
    seen = []
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda grad: seen.append((grad.item(), grad.dtype)))
    y.register_hook(lambda grad: grad * 10)
    (y * 5).backward()
    assert seen == [(5.0, tg.float64)]
    assert x.grad.item() == 150


def test_a_hook_on_a_leaf_acts_in_backward_and_in_grad():
    x = leaf(2.0)
    x.register_hook(lambda grad: grad * 10)
    (x * 3).backward()
    assert x.grad.item() == 30
    assert tg.grad(x * 3, x)[0].item() == 30


def test_a_hook_runs_once_with_the_whole_gradient():
    seen = []
    x = leaf(2.0)
    x.register_hook(lambda grad: seen.append(grad.item()))
    (x * 3 + x * 4).backward()
    assert seen == [7]


def test_a_hook_on_a_gates_result_acts_on_what_grad_returns():
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda grad: grad * 10)
    assert tg.grad(y * 5, y)[0].item() == 50


def test_a_hook_is_removed_by_its_handle():
    x = leaf(2.0)
    handle = x.register_hook(lambda grad: grad * 10)
    handle.remove()
    handle.remove()
    (x * 3).backward()
    assert x.grad.item() == 3


def test_a_hook_under_create_graph_is_recorded():
    x = leaf(2.0)
    handle = x.register_hook(lambda grad: grad * grad)
    (squared,) = tg.grad(x * x, x, create_graph=True)
    handle.remove()
    assert squared.item() == 16  # (2 x)^2
    assert tg.grad(squared, x)[0].item() == 16  # 8 x


def test_a_hook_that_returns_another_shape_is_refused():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda grad: grad.sum())
    with pytest.raises(RuntimeError, match=r"hook: expected None or a tensor of shape \(2,\)"):
        (x * 3).sum().backward()


def test_a_hook_needs_a_gradient():
    with pytest.raises(RuntimeError, match="register_hook: this tensor does not require"):
        tg.tensor(1.0).register_hook(print)


def test_retain_grad_keeps_the_gradient_of_a_gates_result():
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    z = y * 5
    z.backward(retain_graph=True)
    assert (y.grad.item(), y.grad.dtype) == (5.0, tg.float64)
    z.backward()
    assert y.grad.item() == 10  # it adds up, as a leaf's does


def test_retain_grad_of_a_leaf_changes_nothing():
    x = leaf(2.0)
    x.retain_grad()
    (x * 3).backward()
    assert x.grad.item() == 3


def test_retain_grad_needs_a_gradient():
    with pytest.raises(RuntimeError, match="retain_grad: this tensor does not require"):
        tg.tensor(1.0).retain_grad()
