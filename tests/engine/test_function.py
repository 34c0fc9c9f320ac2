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


class Polar(Function):
    """Length, angle and quadrant of points: two outputs with a gradient, one without."""

    @staticmethod
    def forward(ctx, x, y):
        r, angle = x.hypot(y), y.atan2(x)
        ctx.save_for_backward(x, y, r)
        return r, angle, (x > 0).long() + 2 * (y > 0).long()

    @staticmethod
    def backward(ctx, grad_r, grad_angle, grad_quadrant):
        x, y, r = ctx.saved_tensors
        assert grad_quadrant.count_nonzero().item() == 0
        gx = grad_r * x / r - grad_angle * y / (r * r)
        return gx, grad_r * y / r + grad_angle * x / (r * r)


def polar(x, y):
    return Polar.apply(x, y)[:2]


def test_several_outputs_are_differentiated_together():
    x, y = np.array([[0.5, -1.0]]), np.array([[2.0, 1.5]])
    assert tg.testing.gradcheck(polar, (x, y))
    assert tg.testing.gradgradcheck(polar, (x, y))
    r, angle, quadrant = Polar.apply(tg.tensor(x), tg.tensor(y))
    np.testing.assert_allclose(r.numpy(), np.hypot(x, y))
    np.testing.assert_allclose(angle.numpy(), np.arctan2(y, x))
    assert quadrant.tolist() == [[3, 2]]
    assert not quadrant.requires_grad


def test_an_output_that_nothing_depends_on_has_a_gradient_of_zeros():
    x, y = (tg.tensor([v], requires_grad=True) for v in (3.0, 4.0))
    Polar.apply(x, y)[0].sum().backward()
    assert (x.grad.item(), y.grad.item()) == pytest.approx((0.6, 0.8))
    with tg.no_grad():
        assert not Polar.apply(x, y)[0].requires_grad


def test_outputs_can_be_marked_as_without_gradient():
    class Split(Function):
        @staticmethod
        def forward(ctx, x):
            whole = x.floor()
            ctx.mark_non_differentiable(whole)
            ctx.save_for_backward(whole)
            return whole, x - whole

        @staticmethod
        def backward(ctx, grad_whole, grad_rest):
            assert ctx.saved_tensors[0].tolist() == [1, -2]
            return grad_rest

    x = tg.tensor([1.25, -1.5], requires_grad=True)
    whole, rest = Split.apply(x)
    assert (whole.requires_grad, rest.requires_grad) == (False, True)
    (rest * 3 + whole).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_the_context_can_be_set_up_apart():
    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, grad):
            return 2 * ctx.saved_tensors[0] * grad

    assert tg.testing.gradcheck(Square.apply, np.array([1.5, -2.0]))
    assert tg.testing.gradgradcheck(Square.apply, np.array([1.5, -2.0]))


def test_what_is_saved_on_the_way_gives_first_derivatives_alone():
    class Masked(Function):
        @staticmethod
        def forward(ctx, x, with_floats):
            mask = x > 0
            ctx.save_for_backward(mask, mask.float() if with_floats else None)
            return x * mask

        @staticmethod
        def backward(ctx, grad):
            mask, floats = ctx.saved_tensors
            return grad * (mask if floats is None else floats), None

    x = tg.tensor([1.0, -2.0], requires_grad=True)
    for with_floats in (False, True):
        y = Masked.apply(x, with_floats)
        assert tg.grad(y.sum(), x)[0].tolist() == [1, 0]
    assert tg.grad(Masked.apply(x, False).sum(), x, create_graph=True)[0].tolist() == [1, 0]
    with pytest.raises(
        RuntimeError, match=r"Masked saved a tensor of shape \(2,\) that is neither"
    ):
        tg.grad(Masked.apply(x, True).sum(), x, create_graph=True)


@pytest.mark.torch
def test_a_function_of_several_outputs_acts_as_in_torch():
    torch = pytest.importorskip("torch")
    found = []
    for lib in (tg, torch):

        class Both(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                product = x * y
                ctx.save_for_backward(x, y, product)
                return product, x + y

            @staticmethod
            def backward(ctx, grad_product, grad_sum):
                x, y, product = ctx.saved_tensors
                return grad_product * product / x + grad_sum, grad_product * product / y + grad_sum

        x, y = (
            lib.tensor(v, dtype=lib.float64, requires_grad=True) for v in ([1.0, 2.0], [3.0, 5.0])
        )
        a, b = Both.apply(x, y)
        (a.sum() + (b * b).sum()).backward()
        found.append((a.tolist(), b.tolist(), x.grad.tolist(), y.grad.tolist()))
    assert found[0] == found[1]


def test_mistakes_are_named():
    class Number(Function):
        @staticmethod
        def forward(ctx, x):
            return 3.0

    class Mixed(Function):
        @staticmethod
        def forward(ctx, x):
            return x, 3.0

    class Wide(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x.double()

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
    with pytest.raises(TypeError, match=r"Number\.forward must give tensors, got float"):
        Number.apply(x)
    with pytest.raises(TypeError, match=r"Mixed\.forward must give tensors, got float among them"):
        Mixed.apply(x)
    with pytest.raises(TypeError, match=r"one dtype, got \['float32', 'float64'\]"):
        Wide.apply(x)
    with pytest.raises(RuntimeError, match="returned 1 gradients but forward takes 2 arguments"):
        Few.apply(x, x).sum().backward()
    with pytest.raises(
        RuntimeError,
        match=r"Cut\.backward returned a gradient of shape \(1,\) for input 1, which has .* \(2,\)",
    ):
        Cut.apply(2.0, x * 3).sum().backward()
    with pytest.raises(NotImplementedError, match="static forward"):
        Function.apply(x)
