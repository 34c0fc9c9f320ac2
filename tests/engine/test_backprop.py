"""Backprop: order, accumulation, freeing, higher orders, what `grad` gives, and what it refuses."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.engine import Gate


def leaf(*values):
    return tg.tensor(values if len(values) > 1 else values[0], dtype="float64", requires_grad=True)


class Watched(Gate):
    """y = x + 0 b, and a note of every gradient that arrives."""

    saved_from = ()

    def __init__(self, notes, name="gate"):
        self.notes, self.name = notes, name

    def forward(self, x, b=None):
        return x + 0.0

    def backward(self, grad):
        self.notes.append((self.name, float(getattr(grad, "array", grad))))
        return (grad,) + (None,) * (len(self.parents) - 1)


# The chain rule


def test_the_textbook_circuit():
    """f = (x + y) z with x = -2, y = 5, z = -4."""
    x, y, z = leaf(-2.0), leaf(5.0), leaf(-4.0)
    q = x + y
    q.retain_grad()
    f = q * z
    f.backward()
    assert f.item() == -12
    assert [t.grad.item() for t in (x, y, z, q)] == [-4, -4, 3, -4]


def test_gradients_add_up_where_paths_meet_before_a_gate_is_entered():
    notes = []
    x = leaf(2.0)
    inner = Watched(notes, "inner")(x)
    left = Watched(notes, "left")(inner * 3.0)
    right = Watched(notes, "right")(inner * 4.0)
    (left * 5.0 + right * 6.0 + inner).backward()
    assert notes == [("right", 6.0), ("left", 5.0), ("inner", 3 * 5 + 4 * 6 + 1)]
    assert x.grad.item() == 40


def test_a_tensor_may_be_both_operands():
    x = leaf(3.0)
    (x * x + x + x - x / x).backward()
    assert x.grad.item() == 8


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99), st.integers(0, 99)), max_size=30))
def test_random_circuits_agree_with_forward_differentiation(recipe):
    """Dual numbers, carried along while the circuit grows, know the derivative without backprop."""
    x = leaf(0.7)
    tensors, duals = [x], [(0.7, 1.0)]
    for kind, i, j in recipe:
        a, b = tensors[i % len(tensors)], tensors[j % len(tensors)]
        (v, dv), (w, dw) = duals[i % len(duals)], duals[j % len(duals)]
        if kind == 0:
            tensors.append((a + b) * 0.5)
            duals.append(((v + w) / 2, (dv + dw) / 2))
        elif kind == 1:
            tensors.append((a * b).tanh())
            y = np.tanh(v * w)
            duals.append((y, (1 - y * y) * (dv * w + v * dw)))
        else:
            tensors.append(a - 0.3 * b)
            duals.append((v - 0.3 * w, dv - 0.3 * dw))
    tensors[-1].backward()
    assert tensors[-1].item() == pytest.approx(duals[-1][0], rel=1e-12, abs=1e-12)
    assert x.grad.item() == pytest.approx(duals[-1][1], rel=1e-9, abs=1e-12)


def test_a_leaf_is_its_own_derivative():
    x = leaf(3.0)
    x.backward()
    assert x.grad.item() == 1


# Calling backward


def test_gradients_accumulate_over_calls():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [6, 12])


def test_a_root_of_one_element_and_several_dimensions_needs_no_gradient():
    x = leaf(3.0).reshape(1, 1)
    x.retain_grad()
    (x * x).backward()
    assert x.grad.tolist() == [[6.0]]


def test_a_root_of_several_elements_takes_a_gradient():
    x = leaf(1.0, 2.0)
    (x * x).backward(tg.tensor([10.0, 100.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [20, 400])
    assert x.grad.dtype == np.float64


def test_a_root_of_several_elements_without_a_gradient_is_refused():
    with pytest.raises(RuntimeError, match=r"one element, got shape \(2,\); pass gradient="):
        (leaf(1.0, 2.0) * 2).backward()


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\) but the tensor \(2,\)"):
        (leaf(1.0, 2.0) * 2).backward(tg.zeros(3))


def test_a_gradient_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="gradient must be a tensor, got ndarray"):
        (leaf(1.0, 2.0) * 2).backward(np.ones(2))


def test_a_tensor_without_a_graph_has_no_backward():
    with pytest.raises(RuntimeError, match="does not require a gradient and no recorded gate"):
        tg.tensor(1.0).backward()


def test_a_graph_is_used_once_unless_it_is_retained():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match=r"below Mul was freed .* retain_graph=True"):
        y.backward()


def test_a_freed_part_of_a_graph_is_refused_by_backward_and_by_grad():
    x = leaf(3.0)
    inner = x.exp()
    inner.backward()
    with pytest.raises(RuntimeError, match="below Exp was freed"):
        (inner * 2).backward()
    with pytest.raises(RuntimeError, match="below Exp was freed"):
        tg.grad(inner * 2, x)
    with pytest.raises(RuntimeError, match="below Exp was freed"):
        tg.grad(inner * 2, x, allow_unused=True)


def test_a_leaf_that_died_gets_no_gradient():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    del x
    y.backward()
    assert w.grad.item() == 2


# Memory


def test_saved_values_die_with_the_backward_pass():
    x = leaf(1.0, 2.0)
    inner = x.exp()
    saved = weakref.ref(inner.array)
    y = (inner * inner).sum()
    del inner
    assert saved() is not None
    y.backward()
    assert saved() is None


def test_a_graph_that_is_dropped_leaves_nothing_behind():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        inner = x.exp()
        saved = weakref.ref(inner.array)
        (dx,) = tg.grad((inner * inner).sum(), x, create_graph=True)
        (ddx,) = tg.grad(dx.sum(), x, create_graph=True)
        del inner, dx, ddx
        assert saved() is None  # without the help of the garbage collector: no cycles
    finally:
        gc.enable()


def test_leaf_gradients_share_memory_with_nothing():
    a, b, c = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    upstream = tg.tensor([1.0, 1.0], dtype="float64")
    y = (a + b) + c * b
    y.backward(upstream, retain_graph=True)
    arrays = [a.grad.array, b.grad.array, c.grad.array, upstream.array, a.array, b.array, c.array]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[:i])
    for x in (a, b, c):
        assert x.grad.array.flags.writeable
        assert x.grad.is_contiguous()


def test_gradients_that_grad_returns_share_memory_with_nothing():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    upstream = tg.tensor([1.0, 1.0], dtype="float64")
    grads = [g.array for g in tg.grad(a + b, (a, b, a), upstream)]
    arrays = [*grads, upstream.array, a.array, b.array]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[:i])


def test_a_gate_that_returns_what_it_saved_does_not_give_it_away():
    class Linear(Gate):
        saved_from = (0,)

        def forward(self, x):
            self.saved = (x,)
            return x * x / 2

        def backward(self, grad):
            return (self.saved[0],)

    x = leaf(1.0, 2.0)
    Linear()(x).sum().backward()
    assert x.grad.tolist() == [1, 2]
    assert not np.shares_memory(x.grad.array, x.array)


def test_a_gradient_nobody_else_has_is_not_copied():
    given = np.full(4, 3.0)

    class Give(Gate):
        def forward(self, x):
            return x * 3

        def backward(self, grad):
            nonlocal given
            out, given = given, None
            return (out,)

    address = given.ctypes.data
    x = tg.tensor(np.ones(4), requires_grad=True)
    Give()(x).sum().backward()
    assert x.grad.array.ctypes.data == address


@pytest.mark.parametrize("retain_graph", [True, False])
def test_an_expanded_gradient_becomes_dense(retain_graph):
    x = tg.tensor(np.ones((2, 3)), requires_grad=True)
    x.sum().backward(retain_graph=retain_graph)
    x.grad.array[0, 0] = 7
    assert x.grad.tolist() == [[7, 1, 1], [1, 1, 1]]


# Depth


def chain(length):
    x = leaf(1.0)
    y = x
    for _ in range(length):
        y = y + 0.0
    return x, y


def test_a_chain_of_100_000_gates():
    x, y = chain(100_000)
    y.backward()
    assert x.grad.item() == 1
    x, y = chain(100_000)
    assert tg.grad(y, x)[0].item() == 1
    x, y = chain(100_000)
    del y  # never differentiated: taken apart without recursion
    assert x.grad is None


def test_a_chain_of_100_000_gates_differentiated_twice():
    x = leaf(1.0)
    y = x * x
    for _ in range(50_000):
        y = y * 1.0 + 0.0
    (dx,) = tg.grad(y, x, create_graph=True)
    assert tg.grad(dx, x)[0].item() == 2


@pytest.mark.slow
def test_a_chain_of_1_000_000_gates():
    x, y = chain(1_000_000)
    y.backward()
    assert x.grad.item() == 1
    x, y = chain(1_000_000)
    del y
    assert x.grad is None


def test_a_broad_graph_of_many_paths():
    """2^60 paths from the root to the leaf: each gate is entered once."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1


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
    notes = []
    x, w = leaf(2.0), leaf(3.0)
    y = Watched(notes, "x")(x) * Watched(notes, "w")(w)
    assert tg.grad(y, x)[0].item() == 3
    assert [name for name, _ in notes] == ["x"]


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


# Hooks


def test_a_hook_sees_and_replaces_the_gradient():
    seen = []
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda grad: seen.append(repr(grad)))
    y.register_hook(lambda grad: grad * 10)
    (y * 5).backward()
    assert seen == ["tensor(5., dtype=float64)"]
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
    assert repr(y.grad) == "tensor(5., dtype=float64)"
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


# dtypes


def test_gradients_have_the_dtype_of_their_tensor():
    a = tg.tensor([1.0, 2.0], requires_grad=True)
    b = tg.tensor([3.0, 4.0], dtype="float64", requires_grad=True)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    g_a, g_b = tg.grad((a * b).sum(), (a, b))
    assert (g_a.dtype, g_b.dtype) == (np.float32, np.float64)


def test_a_gate_that_gives_another_dtype_is_cast_at_the_leaf():
    class Double(Gate):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            return (grad.astype("float64") * 2,)

    x = tg.tensor([1.0, 2.0], requires_grad=True)
    Double()(x).sum().backward()
    assert x.grad.dtype == np.float32
    assert tg.grad(Double()(x).sum(), x)[0].dtype == np.float32
