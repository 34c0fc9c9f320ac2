"""Elementwise functions: gradients of both orders, and agreement with PyTorch, over drawn arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import arrays, broadcastable_shapes, gradcheck, gradgradcheck

INF = math.inf

# Expression in x: lowest and highest value, kinks.
UNARY = {
    "lib.abs(x)": (-9, 9, [0]),
    "x.exp()": (-3, 3, []),
    "x.expm1()": (-3, 3, []),
    "x.log()": (0.1, 9, []),
    "x.log2()": (0.1, 9, []),
    "x.log10()": (0.1, 9, []),
    "x.log1p()": (-0.9, 9, []),
    "x.sqrt()": (0.1, 9, []),
    "x.rsqrt()": (0.1, 9, []),
    "x.square()": (-9, 9, []),
    "x.reciprocal()": (-9, 9, [0]),
    "x ** 3": (-3, 3, []),
    "x ** 2.5": (0.1, 3, []),
    "x ** -2": (-3, 3, [0]),
    "2.0 ** x": (-3, 3, []),
    "1 / x": (-3, 3, [0]),
    "x / 3": (-3, 3, []),
    "x % 3": (-9, 9, [-9, -6, -3, 0, 3, 6, 9]),
    "x % -0.75": (-2, 2, [-1.5, -0.75, 0, 0.75, 1.5]),
    "x.sin()": (-9, 9, []),
    "x.cos()": (-9, 9, []),
    "x.tan()": (-1.4, 1.4, []),
    "x.tanh()": (-4, 4, []),
    "x.sigmoid()": (-9, 9, []),
    "x.erf()": (-4, 4, []),
    "x.sign()": (-3, 3, [0]),
    "x.floor()": (-3, 3, range(-3, 4)),
    "x.ceil()": (-3, 3, range(-3, 4)),
    "x.trunc()": (-3, 3, range(-3, 4)),
    "x.round()": (-3, 3, [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]),
    "x.nan_to_num()": (-3, 3, []),
    "x.clamp(-1, 2)": (-4, 4, [-1, 2]),
    "x.clamp(min=0.5)": (-4, 4, [0.5]),
    "x.clip(max=0.5)": (-4, 4, [0.5]),
    "F.relu(x)": (-4, 4, [0]),
    "F.leaky_relu(x)": (-4, 4, [0]),
    "F.leaky_relu(x, 0.3)": (-4, 4, [0]),
    "F.elu(x, 1.7)": (-4, 4, [0]),
    "F.selu(x)": (-4, 4, [0]),
    "F.celu(x, 0.5)": (-4, 4, [0]),
    "F.gelu(x)": (-4, 4, []),
    "F.gelu(x, approximate='tanh')": (-4, 4, []),
    "F.silu(x)": (-4, 4, []),
    "F.mish(x)": (-4, 4, []),
    "F.softplus(x)": (-9, 9, []),
    "F.softplus(x, 2.0, 4.0)": (-4, 4, [2]),
    "F.softsign(x)": (-4, 4, [0]),
    "F.hardtanh(x)": (-4, 4, [-1, 1]),
    "F.hardtanh(x, -2, 0.5)": (-4, 4, [-2, 0.5]),
    "F.relu6(x)": (-9, 9, [0, 6]),
    "F.hardswish(x)": (-6, 6, [-3, 3]),
    "F.hardsigmoid(x)": (-6, 6, [-3, 3]),
    "F.logsigmoid(x)": (-9, 9, []),
    "F.threshold(x, 0.5, -7.0)": (-4, 4, [0.5]),
}

# Expression in a and b: lowest and highest value of each, and whether equals are kinks.
BINARY = {
    "a + b": (-9, 9, -9, 9, False),
    "lib.add(a, b, alpha=2)": (-9, 9, -9, 9, False),
    "lib.sub(a, b, alpha=0.5)": (-9, 9, -9, 9, False),
    "a * b": (-9, 9, -9, 9, False),
    "a / b": (-9, 9, 0.2, 9, False),
    "a ** b": (0.2, 3, 0.2, 3, False),
    "lib.maximum(a, b)": (-9, 9, -9, 9, True),
    "lib.minimum(a, b)": (-9, 9, -9, 9, True),
    "lib.max(a, b)": (-9, 9, -9, 9, True),
    "a.min(b)": (-9, 9, -9, 9, True),
    "lib.atan2(a, b)": (-9, 9, 0.2, 9, False),
    "lib.hypot(a, b)": (-9, 9, 0.2, 9, False),
    "lib.logaddexp(a, b)": (-9, 9, -9, 9, False),
    "lib.lerp(a, b, 0.3)": (-9, 9, -9, 9, False),
    "lib.lerp(a, b, 0.8)": (-9, 9, -9, 9, False),
    "lib.where(a > b, a, 2 * b)": (-9, 9, -9, 9, True),
    "a.where(b > 0, b)": (-9, 9, 0.2, 9, False),
    "a.masked_fill(b > 1, 3.5)": (-9, 9, 1.2, 9, False),
    "(2.5 * b + a / 10) % b": (-2, 2, 1, 3, False),
    "F.prelu(a, b.sum())": (0.2, 9, -3, 3, False),
}


def function(code, *names):
    return eval(f"lambda {', '.join(names)}: {code}", {"lib": tg, "F": F})


def unary(data, code, **options):
    low, high, kinks = UNARY[code]
    return data.draw(arrays(low=low, high=high, away_from=list(kinks), **options))


def binary(data, code, **options):
    low_a, high_a, low_b, high_b, equals = BINARY[code]
    shapes = data.draw(broadcastable_shapes(2, max_dims=2, max_side=3, **options))
    a = data.draw(arrays(shapes[0], low=low_a, high=high_a))
    b = data.draw(arrays(shapes[1], low=low_b, high=high_b))
    if equals:  # a on a grid and b beside it, so that no two are near each other
        a, b = np.round(a), np.round(b) + 0.5
    return a, b


@pytest.mark.parametrize("code", UNARY)
@settings(max_examples=min(8, settings.default.max_examples))
@given(data=st.data())
def test_gradients_of_one(code, data):
    x = unary(data, code, max_dims=2, max_side=3)
    gradcheck(function(code, "x"), x)
    gradgradcheck(function(code, "x"), x)


@pytest.mark.parametrize("code", BINARY)
@settings(max_examples=min(8, settings.default.max_examples))
@given(data=st.data())
def test_gradients_of_two(code, data):
    a, b = binary(data, code)
    gradcheck(function(code, "a", "b"), (a, b))
    gradgradcheck(function(code, "a", "b"), (a, b))


@pytest.mark.torch
@pytest.mark.parametrize("code", UNARY)
@given(data=st.data())
def test_one_agrees_with_torch(agree, code, data):
    order = 1 if "hardsigmoid" in code else 2  # PyTorch cannot differentiate that twice
    agree(code, x=unary(data, code, max_dims=4, max_side=5), order=order)


@pytest.mark.torch
@pytest.mark.parametrize("code", BINARY)
@given(data=st.data())
def test_two_agree_with_torch(agree, code, data):
    a, b = binary(data, code)
    agree(code, a=a, b=b)


# NaN, infinities and kinks: whatever PyTorch answers, gradients of first order included.
EDGES = np.array([-INF, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 3.0, 6.0, INF, math.nan])
# At infinity PyTorch has NaN for the gradient, or ours is NaN: the value alone is compared there.
FINITE_EDGES = EDGES[1:-2]


@pytest.mark.torch
@pytest.mark.parametrize("code", UNARY)
def test_edges_of_one_agree_with_torch(agree, code):
    if "sqrt" in code or "log" in code or code in ("x ** 2.5",):
        agree(code, x=FINITE_EDGES[FINITE_EDGES > 0], order=1)
    else:
        agree(code, x=FINITE_EDGES, order=1)
    got = function(code, "x")(tg.tensor(EDGES)).numpy()
    torch = pytest.importorskip("torch")
    names = {"lib": torch, "F": torch.nn.functional, "x": torch.tensor(EDGES)}
    np.testing.assert_allclose(got, eval(code, names).numpy(), rtol=1e-12, atol=1e-300)


@pytest.mark.torch
@pytest.mark.parametrize("code", [c for c in BINARY if "lerp" not in c and "prelu" not in c])
def test_edges_of_two_agree_with_torch(agree, code):
    edges = FINITE_EDGES if "atan2" in code else FINITE_EDGES[(FINITE_EDGES > 0)]
    if "maximum" in code or "minimum" in code or "where" in code:
        edges = FINITE_EDGES
    a, b = (m.ravel() for m in np.meshgrid(edges, edges))
    agree(code, a=a, b=b, order=1)
