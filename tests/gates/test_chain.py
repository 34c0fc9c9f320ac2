"""Zeros, poles and masks: where no gradient arrives none leaves, whatever it meets on its way."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.gates import chain
from tinygrad_cv.testing import gradcheck, gradgradcheck

INF, NAN = np.inf, np.nan

# What is NaN or infinite at the point, or has a pole there, in a branch that is not chosen.
HIDDEN = {
    "sqrt": (lambda x: x.sqrt(), [-1.0, 0.0]),
    "log": (lambda x: x.log(), [-1.0, 0.0]),
    "log1p": (lambda x: x.log1p(), [-2.0, -1.0]),
    "quotient": (lambda x: 1 / x, [0.0, -0.0]),
    "zero over zero": (lambda x: x / x, [0.0]),
    "rsqrt": (lambda x: x.rsqrt(), [-1.0, 0.0]),
    "reciprocal": (lambda x: x.reciprocal(), [0.0]),
    "power": (lambda x: x**0.3, [-1.0, 0.0]),
    "power of tensors": (lambda x: x**x, [-0.5, 0.0]),
    "exponent": (lambda x: 0.0**x, [-1.0, 0.0]),
    "overflow": (lambda x: (x * x).exp(), [-1e3, -50.0]),
    "product": (lambda x: x * x.log(), [-1.0, 0.0]),
    "square of a root": (lambda x: x.sqrt() * x.sqrt() * 3, [-1.0, 0.0]),
    "sine of a root": (lambda x: x.sqrt().sin(), [-1.0, 0.0]),
    "sigmoid of a root": (lambda x: F.sigmoid(x.log()), [-1.0, 0.0]),
    "gelu of a logarithm": (lambda x: F.gelu(x.log()), [-1.0, 0.0]),
    "atan2 of roots": (lambda x: tg.atan2(x.sqrt(), x.log()), [-1.0, 0.0]),
    "hypot of roots": (lambda x: tg.hypot(x.sqrt(), x.log()), [-1.0, 0.0]),
    "logaddexp": (lambda x: tg.logaddexp(x.log(), x.sqrt()), [-1.0, 0.0]),
    "lerp": (lambda x: tg.lerp(x.sqrt(), x, x.log()), [-1.0, 0.0]),
    "bounded": (lambda x: (x.exp() * x.exp()).tanh(), [-1e3, 0.0 - 1e9]),
    "inverse of an overflow": (lambda x: 1 / (-x).exp(), [-1e3]),
    "prelu": (lambda x: F.prelu(x.log(), x.reshape(-1)[0]), [-1.0, 0.0]),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_the_branch_that_is_not_chosen_gets_exactly_zero(name):
    function, points = HIDDEN[name]
    for spread in (lambda x: x, lambda x: x.reshape(-1, 1).expand(len(points), 3)):
        x = tg.tensor(np.array(points), requires_grad=True)
        wide = spread(x)
        tg.where(wide > 0, function(wide), wide * 0 + 7).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.zeros(len(points)))


@pytest.mark.parametrize("name", HIDDEN)
def test_the_second_derivative_is_zero_as_well(name):
    function, points = HIDDEN[name]
    x = tg.tensor(np.array(points), requires_grad=True)
    (dx,) = tg.grad(tg.where(x > 0, function(x), x * x).sum(), x, create_graph=True)
    (ddx,) = tg.grad(dx.sum(), x)
    np.testing.assert_array_equal(ddx.numpy(), np.full(len(points), 2.0))


@pytest.mark.parametrize("name", HIDDEN)
def test_masked_fill_hides_as_well(name):
    function, points = HIDDEN[name]
    x = tg.tensor(np.array(points), requires_grad=True)
    function(x).masked_fill(x <= 0, 1.5).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros(len(points)))


def test_the_chosen_branch_is_untouched():
    x = tg.tensor(np.array([4.0, 0.0, -1.0]), requires_grad=True)
    tg.where(x > 0, x.sqrt(), 0.0).sum().backward()
    assert x.grad.tolist() == [0.25, 0.0, 0.0]


def test_without_a_mask_nan_is_not_hidden():
    x = tg.tensor([0.0], requires_grad=True)
    (x * x.log() * 0).sum().backward()
    assert np.isnan(x.grad.item())


def test_one_pass_does_not_change_the_next():
    x = tg.tensor([0.0], requires_grad=True)
    tg.where(x > 0, x.log() * x, 0.0).sum().backward()
    x.grad = None
    (x * x.log() * 0).sum().backward()
    assert np.isnan(x.grad.item())


def test_a_mask_in_one_thread_is_none_in_another():
    x = tg.tensor([0.0], requires_grad=True)
    seen = []

    def look(grad):
        def other():
            y = tg.tensor([0.0], requires_grad=True)
            (y * y.log() * 0).sum().backward()
            seen.append(y.grad.item())

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return grad

    hidden = x * x.log()
    hidden.register_hook(look)
    tg.where(x > 0, hidden, 0.0).sum().backward()
    assert np.isnan(seen).all()
    assert len(seen) == 1
    assert x.grad.item() == 0.0


POLES = {
    "sqrt": (lambda x: x.sqrt(), 0.0),
    "rsqrt": (lambda x: x.rsqrt(), 0.0),
    "log": (lambda x: x.log(), 0.0),
    "log2": (lambda x: x.log2(), 0.0),
    "log1p": (lambda x: x.log1p(), -1.0),
    "reciprocal": (lambda x: x.reciprocal(), 0.0),
    "quotient": (lambda x: 2 / x, 0.0),
    "numerator": (lambda x: x / (x * 0), 0.0),
    "power": (lambda x: x**0.5, 0.0),
    "negative power": (lambda x: x**-2, 0.0),
    "power of tensors": (lambda x: x ** tg.tensor(np.array(0.5)), 0.0),
}


@pytest.mark.parametrize("name", POLES)
def test_a_zero_gradient_stays_zero_at_a_pole(name):
    function, point = POLES[name]
    x = tg.tensor(np.array([point]), requires_grad=True)
    function(x).backward(tg.zeros(1, dtype=tg.float64))
    assert x.grad.tolist() == [0.0]


@pytest.mark.parametrize("name", ["sqrt", "log", "power"])
def test_other_gradients_are_infinite_at_a_pole(name):
    function, point = POLES[name]
    x = tg.tensor(np.array([point]), requires_grad=True)
    function(x).sum().backward()
    assert x.grad.tolist() == [INF]


ZERO_AT_ZERO = {
    "hypot": lambda x: tg.hypot(x[0], x[1]),
    "atan2": lambda x: tg.atan2(x[0], x[1]),
    "norm": lambda x: x.norm(),
    "norm, p = 1": lambda x: x.norm(1),
    "norm, p = 3": lambda x: x.norm(3),
    "norm, p = 1/2": lambda x: x.norm(0.5),
    "norm, p = inf": lambda x: x.norm(INF),
    "norm, p = -1": lambda x: x.norm(-1),
    "abs": lambda x: x.abs(),
    "distance": lambda x: tg.cdist(x.reshape(1, -1), x.detach().reshape(1, -1)),
    "distance, p = 1": lambda x: tg.cdist(x.reshape(1, -1), x.detach().reshape(1, -1), 1),
    "distance, p = 3": lambda x: tg.cdist(x.reshape(1, -1), x.detach().reshape(1, -1), 3),
    "standard deviation": lambda x: x.std(),
    "relu": lambda x: F.relu(x),
    "sign": lambda x: x.sign(),
}


@pytest.mark.parametrize("name", ZERO_AT_ZERO)
def test_subgradients_at_zero_are_zero(name):
    x = tg.tensor(np.zeros(2), requires_grad=True)
    (dx,) = tg.grad(ZERO_AT_ZERO[name](x).sum(), x, create_graph=True)
    np.testing.assert_array_equal(dx.detach().numpy(), [0.0, 0.0])
    if dx.requires_grad:
        (ddx,) = tg.grad(dx.sum(), x, allow_unused=True)
        assert ddx is None or np.isfinite(ddx.numpy()).all()


@pytest.mark.parametrize(
    ("gate", "a", "b", "want"),
    [
        (chain.ZeroOr, [0.0, 0.0, 2.0, 0.0], [INF, NAN, 3.0, 4.0], [0.0, 0.0, 6.0, 0.0]),
        (chain.ZeroOver, [0.0, 0.0, 2.0, 1.0], [0.0, NAN, 4.0, 0.0], [0.0, 0.0, 0.5, INF]),
        (chain.Over, [0.0, 5.0, 2.0, NAN], [0.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.5, 0.0]),
    ],
)
def test_products_and_quotients_with_their_own_zero(gate, a, b, want):
    np.testing.assert_array_equal(gate()(np.array(a), np.array(b)), want)


@pytest.mark.parametrize("gate", [chain.ZeroOr, chain.ZeroOver, chain.Over])
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,))])
def test_they_are_differentiable_twice(gate, shapes):
    rng = np.random.default_rng(2)
    a, b = (rng.uniform(0.5, 2, shape) for shape in shapes)
    gradcheck(lambda a, b: gate()(a, b), (a, b))
    gradgradcheck(lambda a, b: gate()(a, b), (a, b))


def test_keep_broadcasts_and_is_its_own_transpose():
    mask = np.array([[True], [False]])
    x = np.array([1.0, NAN, INF])
    want = [[1.0, NAN, INF], [0.0, 0.0, 0.0]]
    np.testing.assert_array_equal(chain.Keep(mask)(x), want)
    beside = tg.tensor(mask).array  # where the tensors of the check are
    gradcheck(lambda x: chain.Keep(beside)(x), np.arange(3.0))
    gradgradcheck(lambda x: chain.Keep(beside)(x), np.arange(3.0))


def test_numpy_stays_silent_about_nan_and_infinity():
    code = """
import tinygrad_cv as tg
inf = float("inf")
x = tg.tensor([0.0, -1.0, inf, 1e38], requires_grad=True)
parts = [x * x, x - x.log(), x + inf * x, x / x, x.exp(), x**-0.5, x % 0.0, x.std(), x.norm()]
sum(part.sum() for part in parts).backward()
print(x.grad, x // 0.0)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "nan" in ran.stdout


@pytest.mark.parametrize("how", ["index", "masked_select"])
def test_elements_that_a_mask_leaves_out_get_exactly_zero(how):
    x = tg.tensor(np.array([2.0, 0.0, -1.0]), requires_grad=True)
    mask = tg.tensor([True, False, False])
    y = x * x.log()
    (y[mask] if how == "index" else y.masked_select(mask)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [np.log(2) + 1, 0.0, 0.0])
