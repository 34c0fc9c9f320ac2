"""Arithmetic and choices: limits that are tensors, ties, quotients of integers, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.testing import gradcheck, gradgradcheck

NAN, INF = math.nan, math.inf
GRID = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


@pytest.mark.torch
@pytest.mark.parametrize("code", ["x.clamp(y, z)", "x.clamp(min=y)", "lib.clamp(x, max=z)"])
def test_clamp_between_tensors_agrees_with_torch(agree, code):
    x, y, z = (a.ravel() for a in np.meshgrid(GRID, GRID, GRID + 0.5))
    agree(code, x=x + 0.25, y=y, z=z, order=2)
    agree(code, x=x, y=y, z=z[:1] if "z" in code else z, order=2)


def test_clamp_between_tensors_has_gradients():
    rng = np.random.default_rng(3)
    x, low, high = rng.standard_normal((2, 3)), rng.uniform(-1, 0, 3), rng.uniform(0, 1, (2, 1))
    gradcheck(tg.clamp, (x, low, high))
    gradgradcheck(tg.clamp, (x, low, high))
    np.testing.assert_array_equal(
        tg.clamp(tg.tensor(x), tg.tensor(low), tg.tensor(high)).numpy(), np.clip(x, low, high)
    )


@pytest.mark.parametrize("function", [tg.maximum, tg.minimum])
def test_equals_share_the_gradient(function):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = tg.tensor([1.0, 2.0], requires_grad=True)
    function(x, y).sum().backward()
    assert x.grad.tolist() == y.grad.tolist() == [0.5, 0.5]
    (dx,) = tg.grad(function(x, x).sum(), x)
    assert dx.tolist() == [1.0, 1.0]


@pytest.mark.torch
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_in_either_agrees_with_torch(agree, name):
    x, y = (a.ravel() for a in np.meshgrid([NAN, -INF, 0.0, INF], [NAN, -INF, 0.0, INF]))
    agree(f"lib.{name}(x, y)", x=x, y=y, order=1)


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=6),
    st.integers(-9, 9).filter(bool),
)
def test_quotient_and_remainder_of_integers_are_pythons(values, divisor):
    x = tg.tensor(values)
    assert (x // divisor).tolist() == [v // divisor for v in values]
    assert (x % divisor).tolist() == [v % divisor for v in values]
    assert (x // divisor * divisor + x % divisor).tolist() == values


def test_where_finds_the_indices_of_what_is_true():
    rows, columns = tg.where(tg.tensor([[True, False], [False, True]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])


def test_where_with_broadcast_condition_has_gradients():
    mask = tg.tensor(np.array([[True], [False], [True]]))
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((3, 1)), rng.standard_normal(2)
    gradcheck(lambda a, b: tg.where(mask, a, b), (a, b))
    gradgradcheck(lambda a, b: tg.where(mask, a * a, b), (a, b))


def test_a_condition_may_change_after_it_was_used():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    mask = tg.tensor([True, False])
    chosen, filled = tg.where(mask, x, 0.0), x.masked_fill(mask, 0.0)
    mask[:] = False
    assert tg.grad(chosen.sum(), x)[0].tolist() == [1.0, 0.0]
    assert tg.grad(filled.sum(), x)[0].tolist() == [0.0, 1.0]


@pytest.mark.torch
@pytest.mark.parametrize(
    "code", ["x.masked_fill(x > 0, -1)", "x.masked_fill(x > 0, y.sum())", "lib.where(x > y, x, 1)"]
)
def test_masks_agree_with_torch(agree, code):
    agree(code, x=GRID, y=GRID[::-1].copy())


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "lib.nan_to_num(x)",
        "x.nan_to_num(1.5, 7.0, -7.0)",
        "x.nan_to_num(posinf=3.0)",
        "lib.sign(x)",
        "lib.abs(x)",
        "x.round(decimals=1)",
        "lib.round(x * 1.26, decimals=2)",
        "abs(x)",
        "x.absolute()",
        "lib.lerp(x, x * 2, 0.5)",
    ],
)
def test_special_values_agree_with_torch(agree, code):
    finite = np.array([-2.25, -0.5, -0.05, 0.0, 0.5, 1.5])
    x = finite if "lerp" in code or "round" in code else np.append(finite, [NAN, INF, -INF])
    agree(code, x=x, order=1)


def test_lerp_ends_exactly():
    a, b = tg.tensor([1e16, 0.1]), tg.tensor([1.0, 0.3])
    assert tg.lerp(a, b, 0.0).tolist() == a.tolist()
    assert tg.lerp(a, b, 1.0).tolist() == b.tolist()


def test_powers_at_zero():
    x = tg.tensor(np.zeros(1), requires_grad=True)
    assert tg.grad((x**0).sum(), x)[0].item() == 0.0
    assert tg.grad((x**1).sum(), x)[0].item() == 1.0
    p = tg.tensor(np.array([0.0, 2.0]), requires_grad=True)
    assert tg.grad((x**p).sum(), p)[0].tolist() == [0.0, 0.0]
    assert tg.grad((0.0**p).sum(), p)[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("function", "numpys"),
    [
        (tg.maximum, np.maximum),
        (tg.sin, np.sin),
        (tg.log1p, np.log1p),
        (tg.abs, np.absolute),
        (tg.atan2, np.arctan2),
        (tg.floor_divide, np.floor_divide),
        (tg.eq, np.equal),
        (tg.square, np.square),
    ],
)
def test_numpys_functions_record(function, numpys):
    x = tg.tensor([1.5, 2.5], requires_grad=True)
    operands = (x,) if numpys.nin == 1 else (x, tg.tensor([2.0, 2.5]))
    got, want = numpys(*operands), function(*operands)
    assert isinstance(got, tg.Tensor)
    assert got.tolist() == want.tolist()
    assert type(got.gate) is type(want.gate)


X, N = tg.ones(2), tg.tensor([1, 0])

REFUSED = {
    "shapes": (lambda: tg.ones(2) + tg.ones(3), ValueError, r"\(2,\) \(3,\)"),
    "zero": (lambda: N // N, ZeroDivisionError, r"floor_divide: other has zeros and integers have"),
    "remainder": (lambda: N % 0, ZeroDivisionError, r"remainder: other has zeros"),
    "mode": (
        lambda: tg.div(X, X, rounding_mode="up"),
        ValueError,
        r"rounding_mode must be None, 'floor' or 'trunc', got 'up'",
    ),
    "power": (lambda: N**-1, ValueError, r"pow: integers to the negative power -1; use floats"),
    "text": (lambda: X + "1", TypeError, r"cannot be combined with str"),
    "no limit": (lambda: X.clamp(), ValueError, r"clamp: min or max must be given"),
    "limit": (lambda: X.clamp("a"), TypeError, r"clamp: min and max must be numbers, got str"),
    "condition": (
        lambda: tg.where(N, X, X),
        TypeError,
        r"where: condition must be a tensor of bools, got int64",
    ),
    "one value": (lambda: tg.where(X > 0, X), TypeError, r"cannot be combined with NoneType"),
    "mask": (lambda: X.masked_fill(N, 0), TypeError, r"mask must be a tensor of bools, got int64"),
    "value": (
        lambda: X.masked_fill(X > 0, X),
        ValueError,
        r"masked_fill: value must be one number, got shape \(2,\)",
    ),
    "lerp": (lambda: tg.lerp(N, N, 0.5), TypeError, r"lerp: expected floats, got int64"),
    "lerp dtypes": (
        lambda: tg.lerp(X, X.double(), 0.5),
        TypeError,
        r"lerp: dtypes differ: float32, float64",
    ),
    "logaddexp": (lambda: tg.logaddexp(N, N), TypeError, r"logaddexp: expected floats, got int64"),
    "hypot": (lambda: tg.hypot(X, "1"), TypeError, r"hypot: expected tensors or numbers, got str"),
    "alpha": (lambda: tg.add(N, N, alpha=0.5), TypeError, r"add: alpha is 0.5 but .* int64"),
    "decimals": (lambda: tg.round(N, decimals=1), TypeError, r"round: expected floats, got int64"),
    "no tensor": (lambda: tg.exp([1.0]), TypeError, r"exp: input must be a Tensor, got list"),
    "bools": (lambda: -(X > 0), TypeError, r"boolean"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_refused(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()
