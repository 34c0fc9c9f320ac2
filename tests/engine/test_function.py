"""Gates in PyTorch's form: values, both orders of gradients, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.autograd import Function


class ScaledExp(Function):
    """exp(x) times a number, and times w: a saved output, an input, an attribute."""

    @staticmethod
    def forward(ctx, x, factor, w):
        y = x.exp() * factor * w
        ctx.save_for_backward(y, w)
        ctx.factor = factor
        return y

    @staticmethod
    def backward(ctx, grad):
        y, w = ctx.saved_tensors
        return grad * y, None, (grad * y / w if ctx.needs_input_grad[2] else None)


def test_gradients_of_both_orders():
    x = tg.tensor([0.5, -1.0], dtype="float64", requires_grad=True)
    w = tg.tensor([2.0, 3.0], dtype="float64", requires_grad=True)
    y = ScaledExp.apply(x, 4.0, w)
    e = np.exp(x.detach().numpy())
    np.testing.assert_allclose(y.detach().numpy(), e * 4 * w.detach().numpy())
    dx, dw = tg.grad(y.sum(), (x, w), create_graph=True)
    np.testing.assert_allclose(dx.detach().numpy(), y.detach().numpy())
    np.testing.assert_allclose(dw.detach().numpy(), 4 * e)
    (mixed,) = tg.grad(dx.sum(), w, retain_graph=True)
    np.testing.assert_allclose(mixed.numpy(), 4 * e)
    (mixed,) = tg.grad(dw.sum(), x)
    np.testing.assert_allclose(mixed.numpy(), 4 * e)


def test_the_gate_bears_the_functions_name():
    y = ScaledExp.apply(tg.ones(1, requires_grad=True), 1.0, tg.ones(1))
    assert type(y.gate).__name__ == "ScaledExp"
    y.sum().backward()
    with pytest.raises(RuntimeError, match="ScaledExp was freed"):
        y.sum().backward()


def test_an_input_that_is_handed_through_is_not_aliased():
    class Through(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 10

    x = tg.ones(2, requires_grad=True)
    y = Through.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]


def test_a_saved_value_that_was_changed_is_an_error():
    x = tg.ones(1, requires_grad=True)
    w = tg.ones(1)
    y = ScaledExp.apply(x, 1.0, w)
    w += 1
    with pytest.raises(RuntimeError, match="ScaledExp saved its input 1"):
        y.sum().backward()


def test_mistakes_are_named():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x, x

    class Other(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x * 2)
            return x * 2

    class Few(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, grad):
            return grad

    class Cut(Function):
        @staticmethod
        def forward(ctx, factor, x):
            return factor * x

        @staticmethod
        def backward(ctx, grad):
            return None, grad[:1]

    x = tg.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=r"Two\.forward must give one tensor, got tuple"):
        Two.apply(x)
    with pytest.raises(TypeError, match=r"got another tensor of shape \(2,\)"):
        Other.apply(x)
    with pytest.raises(RuntimeError, match="returned 1 gradients but forward takes 2 arguments"):
        Few.apply(x, x).sum().backward()
    with pytest.raises(
        RuntimeError,
        match=r"Cut\.backward returned a gradient of shape \(1,\) for input 1, which has .* \(2,\)",
    ):
        Cut.apply(2.0, x * 3).sum().backward()
    with pytest.raises(NotImplementedError, match="static forward"):
        Function.apply(x)
