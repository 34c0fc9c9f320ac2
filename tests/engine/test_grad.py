"""`grad`: higher orders, what it gives, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import Gate


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


def test_third_derivative_of_a_polynomial_in_two_variables():
    x, y = leaf(2.0), leaf(3.0)
    f = x**3 * y**2
    (fx,) = tg.grad(f, x, create_graph=True)
    (fxy,) = tg.grad(fx, y, create_graph=True)
    (fxyx,) = tg.grad(fxy, x, create_graph=True)
    assert (fx.item(), fxy.item(), fxyx.item()) == (108, 72, 72)


def test_backward_with_create_graph_records_the_gradients():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    first.backward()
    assert (first.item(), x.grad.item()) == (12, 12)


def test_backward_with_create_graph_adds_recorded_gradients():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    total = x.grad  # 3 x^2 + 2 x
    x.grad = None
    total.backward()
    assert (total.item(), x.grad.item()) == (16, 14)


def test_create_graph_keeps_the_graph_unless_told_otherwise():
    x = leaf(2.0)
    y = x**3
    tg.grad(y, x, create_graph=True)
    tg.grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        tg.grad(y, x)


def test_the_upstream_gradient_is_differentiated_too():
    x, u = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (dx,) = tg.grad(x * x, x, u, create_graph=True)
    (du,) = tg.grad(dx.sum(), u)
    np.testing.assert_array_equal(du.numpy(), [2, 4])


# grad


def test_grad_leaves_dot_grad_alone():
    x, w = leaf(2.0), leaf(3.0)
    assert tg.grad(x * w, x)[0].item() == 3
    assert x.grad is None
    assert w.grad is None


def test_grad_of_a_gates_result():
    x = leaf(2.0)
    inner = x * 3
    outer = inner * inner
    (g_inner, g_x) = tg.grad(outer, (inner, x))
    assert (g_inner.item(), g_x.item()) == (12, 36)


def test_grad_of_a_tensor_with_respect_to_itself_leaves_its_graph_whole():
    x = leaf(2.0)
    y = x.exp()
    assert tg.grad(y, y)[0].item() == 1
    y.backward()
    assert x.grad.item() == pytest.approx(np.exp(2))


def test_grad_sums_over_several_outputs():
    x = leaf(2.0)
    a, b = x * 3, x * x
    assert tg.grad((a, b), x)[0].item() == 7
    a, b = x * 3, x * x
    up = tg.tensor(10.0, dtype="float64")
    assert tg.grad((a, b), x, (None, up))[0].item() == 43
    a = x * 3
    assert tg.grad((a, a), x)[0].item() == 6


def test_grad_refuses_another_number_of_grad_outputs():
    x = leaf(2.0)
    with pytest.raises(ValueError, match="2 outputs but 1 grad_outputs"):
        tg.grad((x * 2, x * 3), x, [None])


def test_grad_refuses_an_input_without_gradient():
    x = leaf(2.0)
    with pytest.raises(RuntimeError, match="input 1 does not require a gradient"):
        tg.grad(x * 2, (x, tg.tensor(1.0)))


def test_grad_of_an_unused_input():
    x, unused = leaf(2.0), leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"do not depend on input 1, of shape \(2,\); allow"):
        tg.grad(x * 2, (x, unused))
    gx, none = tg.grad(x * 2, (x, unused), allow_unused=True)
    assert gx.item() == 2
    assert none is None


def test_grad_asks_only_gates_that_lead_to_an_input():
    asked = []

    class Watched(Gate):
        def __init__(self, name):
            self.name = name

        def forward(self, x):
            return x * 1

        def backward(self, grad):
            asked.append(self.name)
            return (grad,)

    x, w = leaf(2.0), leaf(3.0)
    y = Watched("x")(x) * Watched("w")(w)
    assert tg.grad(y, x)[0].item() == 3
    assert asked == ["x"]


def test_grad_frees_what_it_went_through_and_nothing_else():
    x, w = leaf(2.0), leaf(3.0)
    side = w.exp()
    tg.grad(x.exp() * side, x)
    side.backward()
    assert w.grad.item() == pytest.approx(np.exp(3))


def test_needs_grad_tells_a_gate_which_gradients_are_wanted():
    wanted = []

    class Ask(Gate):
        def forward(self, a, b):
            return a + b

        def backward(self, grad):
            wanted.append(self.needs_grad)
            return grad, grad

    a, b = leaf(1.0), leaf(2.0)
    Ask()(a, tg.tensor(1.0)).backward()
    tg.grad(Ask()(a, b), b)
    tg.grad(Ask()(a, b), b, create_graph=True)
    Ask()(a, b).backward()
    assert wanted == [(True, False), (False, True), (False, True), (True, True)]


def test_a_gate_without_gradients_is_not_recorded():
    y = tg.tensor(1.0) * tg.tensor(2.0)
    assert y.gate is None
    assert y.is_leaf
    assert not y.requires_grad
