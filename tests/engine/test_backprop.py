"""Backprop: order, accumulation, freeing, depth, dtypes, and what `backward` refuses."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.engine import Gate, memory


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
        assert memory.writeable(x.grad.array)
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
