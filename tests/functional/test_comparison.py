"""Comparisons, truths and bits: values, what PyTorch answers, refusals."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.testing import broadcastable_shapes

NAN, INF = math.nan, math.inf
SPECIAL = np.array([NAN, -INF, -1.0, -0.0, 0.0, 1.0, INF])

COMPARISONS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@pytest.mark.parametrize("name", COMPARISONS)
@given(shapes=broadcastable_shapes(2), seed=st.integers(0, 99))
def test_comparisons_broadcast(name, shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-1, 2, shape).astype(float) for shape in shapes)
    want = COMPARISONS[name](a, b)
    x, y = tg.tensor(a), tg.tensor(b)
    for got in (COMPARISONS[name](x, y), getattr(tg, name)(x, y), getattr(x, name)(y)):
        assert got.dtype == tg.bool
        np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_with_numbers_on_either_side(name):
    compare = COMPARISONS[name]
    x = tg.tensor(SPECIAL)
    np.testing.assert_array_equal(compare(x, 0).numpy(), compare(SPECIAL, 0))
    np.testing.assert_array_equal(compare(0.5, x).numpy(), compare(0.5, SPECIAL))
    np.testing.assert_array_equal(
        compare(x, SPECIAL[::-1]).numpy(), compare(SPECIAL, SPECIAL[::-1])
    )


def test_what_is_no_number_is_unequal():
    x = tg.tensor([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert (x != "x") is True
    with pytest.raises(TypeError, match="eq: expected tensors or numbers, got str"):
        tg.eq(x, "x")
    with pytest.raises(TypeError, match="lt: expected tensors or numbers, got NoneType"):
        x < None  # noqa: B015


def test_comparisons_leave_the_graph():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert not (x > 1).requires_grad
    assert not x.isnan().requires_grad


def test_tensors_are_still_keys():
    x, y = tg.tensor([1.0]), tg.tensor([1.0])
    assert {x: 1, y: 2}[x] == 1


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "lib.isnan(x)",
        "x.isinf()",
        "lib.isfinite(x)",
        "lib.isclose(x, y)",
        "lib.isclose(x, y, equal_nan=True)",
        "x.isclose(y, rtol=0.5, atol=0.1)",
        "lib.logical_and(x, y)",
        "x.logical_or(y)",
        "lib.logical_xor(x, y)",
        "lib.logical_not(x)",
        "(x > 0) & (y > 0)",
        "~(x > 0) ^ (y < 1)",
    ],
)
def test_agrees_with_torch(agree, code):
    x, y = np.meshgrid(SPECIAL, SPECIAL)
    agree(code, x=x, y=y + 1e-9, order=0)


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "lib.allclose(x, x)",
        "lib.allclose(x, x, equal_nan=True)",
        "lib.equal(x, x)",
        "lib.equal(x[1:], x[1:])",
        "lib.equal(x, x[1:])",
        "lib.equal(x[1:2].long(), x[1:2].long().double())",
        "x.allclose(x + 1e-9, equal_nan=True)",
    ],
)
def test_one_answer_agrees_with_torch(agree, code):
    x = np.array([NAN, 0.0, 3.0])
    got, want = (eval(code, {"lib": lib, "x": lib.tensor(x)}) for lib in (tg, agree.torch))
    assert got is want


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x & 1, "bitwise_and: expected integers or bools, got float32"),
        (lambda x: x | x, "bitwise_or: expected integers or bools, got float32"),
        (lambda x: True ^ x, "bitwise_xor: expected integers or bools, got float32"),
        (lambda x: ~x, "bitwise_not: expected integers or bools, got float32"),
        (lambda x: tg.isclose(x, x.double()), "isclose: input is float32 but other float64"),
        (lambda x: tg.allclose(x, 1.0), "allclose: expected tensors, got float"),
    ],
    ids=["and", "or", "xor", "not", "isclose", "allclose"],
)
def test_mistakes_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call(tg.ones(2))
