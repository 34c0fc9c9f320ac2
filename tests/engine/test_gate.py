"""Gates that users write: five lines are enough, and mistakes are named."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import OUT, BinaryGate, Gate, UnaryGate
from tinygrad_cv.gates.activation import Tanh
from tinygrad_cv.gates.arithmetic import Mul
from tinygrad_cv.testing import gradcheck, gradgradcheck


class Cube(tg.Gate):
    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        return x * x * x

    def backward(self, grad):
        (x,) = self.saved
        return (grad * 3 * x * x,)


def test_a_five_line_gate_is_differentiated_as_often_as_one_likes():
    assert gradcheck(lambda x: Cube()(x), np.array([1.0, -2.0]))
    assert gradgradcheck(lambda x: Cube()(x), np.array([1.0, -2.0]))
    x = tg.tensor(2.0, requires_grad=True)
    (first,) = tg.grad(Cube()(x), x, create_graph=True)
    (second,) = tg.grad(first, x, create_graph=True)
    (third,) = tg.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (12, 12, 6)


def test_a_gate_on_plain_arrays_just_computes():
    y = Cube()(np.array([2.0]))
    assert isinstance(y, np.ndarray)
    assert y.tolist() == [8]


def test_a_gate_knows_its_name_and_parents():
    x = tg.tensor(2.0, requires_grad=True)
    y = Cube()(x * 1)
    assert type(y.gate).__name__ == "Cube"
    assert type(y.gate.parents[0]).__name__ == "Mul"
    assert repr(y).endswith(", gate=Cube)")


def test_a_gate_may_mix_tensors_arrays_and_numbers():
    class Affine(Gate):
        saved_from = (0, 1)

        def forward(self, x, a, b):
            self.saved = (x, a)
            return x * a + b

        def backward(self, grad):
            x, a = self.saved
            return grad * a, grad * x, grad

    a = tg.tensor([2.0, 3.0], dtype="float64").array
    assert gradcheck(lambda x: Affine()(x, a, 1.0), np.array([1.0, -2.0]))
    assert gradgradcheck(lambda x: Affine()(x, a, 1.0), np.array([1.0, -2.0]))
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    Affine()(x, a, 1.0).sum().backward()
    assert x.grad.tolist() == [2, 3]


def test_a_single_gradient_needs_no_tuple():
    class Double(Gate):
        def forward(self, x):
            return 2 * x

        def backward(self, grad):
            return 2 * grad

    x = tg.tensor([1.0, 2.0], requires_grad=True)
    Double()(x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_numbers_that_forward_returns_become_tensors():
    class Total(Gate):
        def forward(self, x):
            self.shape = x.shape
            return float(x.sum())

        def backward(self, grad):
            return (np.full(self.shape, grad),)

    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = Total()(x)
    assert y.shape == ()
    y.backward()
    assert x.grad.tolist() == [1, 1]


def one_gate(forward=lambda self, x: x * 2, backward=lambda self, grad: (grad,), **attributes):
    return type("Mine", (Gate,), {"forward": forward, "backward": backward, **attributes})()


@pytest.fixture
def x():
    return tg.tensor([1.0, 2.0], requires_grad=True)


def test_forward_that_returns_a_tensor_is_refused(x):
    with pytest.raises(TypeError, match=r"Mine\.forward must return a plain array, got a Tensor"):
        one_gate(forward=lambda self, x: tg.tensor([1.0]))(x)


def test_forward_that_returns_several_values_is_refused(x):
    with pytest.raises(TypeError, match=r"Mine\.forward must return one array, got tuple"):
        one_gate(forward=lambda self, x: (x, x))(x)


def test_another_number_of_gradients_is_refused(x):
    gate = one_gate(backward=lambda self, grad: (grad, grad))
    with pytest.raises(
        RuntimeError, match="returned 2 gradients but the gate has 1 inputs; return"
    ):
        gate(x).sum().backward()


def test_a_gradient_of_another_shape_is_refused(x):
    gate = one_gate(backward=lambda self, grad: (grad[:1],))
    with pytest.raises(
        RuntimeError,
        match=r"Mine\.backward returned a gradient of shape \(1,\) for input 0, which has shape \(2,\)",
    ):
        gate(x).sum().backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_of_another_shape_is_named_where_it_happens(x, create_graph):
    class Swapped(Gate):
        def forward(self, a, b):
            return a.sum() + b

        def backward(self, grad):
            return grad, grad.sum()

    y = Swapped()(x * 2, tg.tensor([1.0, 2.0, 3.0], requires_grad=True) * 3)
    with pytest.raises(
        RuntimeError,
        match=r"Swapped\.backward returned a gradient of shape \(3,\) for input 0, which has "
        r"shape \(2,\)",
    ):
        y.sum().backward(create_graph=create_graph)


def test_a_gradient_that_is_a_number_is_refused(x):
    gate = one_gate(backward=lambda self, grad: (2.0,))
    with pytest.raises(
        TypeError, match=r"Mine\.backward returned float as the gradient for input 0"
    ):
        gate(x * 1).sum().backward()


def of_kind(base, forward, backward=lambda self, grad: (grad, grad)):
    return type("Mine", (base,), {"forward": forward, "backward": backward})()


@pytest.mark.parametrize("base", [UnaryGate, BinaryGate, Tanh, Mul])
def test_what_unary_and_binary_gates_of_users_return_is_looked_at_as_well(x, base):
    arguments = (x,) if issubclass(base, UnaryGate) else (x, x)
    wrong = of_kind(base, lambda self, *arrays: tg.tensor([1.0]))
    with pytest.raises(TypeError, match=r"Mine\.forward must return a plain array, got a Tensor"):
        wrong(*arguments)
    wrong = of_kind(base, lambda self, *arrays: [1.0, 2.0])
    with pytest.raises(TypeError, match=r"Mine\.forward must return one array, got list"):
        wrong(*arguments)
    wrong = of_kind(base, lambda self, *arrays: arrays[0] * 2, lambda self, grad: (grad[:1],) * 2)
    with pytest.raises(RuntimeError, match=r"Mine\.backward returned .*(shape \(1,\)|2 gradients)"):
        wrong(*arguments).sum().backward()
    number = of_kind(base, lambda self, *arrays: 3)(*arguments)
    assert (number.shape, number.item(), number.gate.saved) == ((), 3, ())


def test_saved_values_without_a_source_are_refused_under_create_graph(x):
    def forward(self, x):
        self.saved = (x,)
        return x * x

    gate = one_gate(forward=forward, backward=lambda self, grad: (grad * 2 * self.saved[0],))
    with pytest.raises(TypeError, match="Mine: 1 saved values but saved_from names 0; it must say"):
        tg.grad(gate(x).sum(), x, create_graph=True)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_what_a_gate_must_define(x, method):
    Half = type("Half", (Gate,), {} if method == "forward" else {"forward": lambda self, x: x * 2})
    with pytest.raises(NotImplementedError, match=rf"Half must define {method}\(self, "):
        Half()(x).sum().backward()


def test_a_gradient_for_an_input_that_needs_none_is_ignored(x):
    class Pair(Gate):
        def forward(self, a, b):
            return a + b

        def backward(self, grad):
            return grad, grad

    Pair()(x, tg.tensor([1.0, 1.0])).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_a_saved_output_is_the_graphs_own(x):
    class Exp(Gate):
        saved_from = (OUT,)

        def forward(self, x):
            self.saved = (np.exp(x),)
            return self.saved[0]

        def backward(self, grad):
            return (grad * self.saved[0],)

    assert gradgradcheck(lambda x: Exp()(x), np.array([0.5, -1.0]))
