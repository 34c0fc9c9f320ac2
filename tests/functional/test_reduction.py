"""Reductions, extremes, order, scans and norms: gradients, agreement with PyTorch, edges, refusals."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import arrays, gradcheck, gradgradcheck

INF, NAN = math.inf, math.nan

# Expression in x, d (a dimension) and k (whether it is kept), which arrays it takes.
ANY = {"low": -3, "high": 3}
SPREAD = {"low": -3, "high": 3, "distinct": True}
SIGNED = {"low": -3, "high": 3, "away_from": 0.0}
CODES = {
    "x.sum(d, k)": ANY,
    "x.sum()": ANY,
    "x.mean(d, k)": ANY,
    "x.prod(d, k)": SIGNED,
    "x.prod()": SIGNED,
    "x.var(d, keepdim=k)": SPREAD,
    "x.var(d, False, k)": ANY,
    "x.var(False)": ANY,
    "lib.var(x, correction=0)": ANY,
    "lib.std(x, d, correction=0.5, keepdim=k)": SPREAD,
    "x.std()": SPREAD,
    "x.logsumexp(d, k)": ANY,
    "x.amax(d, k)": SPREAD,
    "x.amin(d, k)": SPREAD,
    "x.max()": SPREAD,
    "x.min()": SPREAD,
    "x.max(d, k)": SPREAD,
    "x.min(d, k)": SPREAD,
    "x.median()": SPREAD,
    "x.median(d, k)": SPREAD,
    "x.sort(d)": SPREAD,
    "x.sort(d, descending=True)": SPREAD,
    "x.topk(1, d)": SPREAD,
    "lib.topk(x, 2, d, largest=False)": SPREAD,
    "x.cumsum(d)": ANY,
    "x.cumprod(d)": SIGNED,
    "x.norm()": SIGNED,
    "x.norm(dim=d, keepdim=k)": SIGNED,
    "x.norm(1, d, k)": SIGNED,
    "x.norm(3, d, k)": SIGNED,
    "x.norm(0.5, d)": SIGNED,
    "x.norm(-1.5, d)": SIGNED,
    "lib.linalg.vector_norm(x, 2.5, d, k)": SIGNED,
    "lib.linalg.norm(x, dim=d)": SIGNED,
    "F.maxout(x, 2, dim=d)": SPREAD,
    "lib.softmax(x, d)": ANY,
    "lib.log_softmax(x, d)": ANY,
    "F.glu(x, d)": ANY,
}
ONLY_OURS = ("maxout",)
LOOSE = ("prod", "-1.5", "0.5")  # large numbers beside small ones in one sum


def run(code, d, k):
    """A function of x alone, of the floats among what the expression gives."""

    def function(x):
        out = eval(code, {"lib": tg, "F": F, "x": x, "d": d, "k": k})
        return out.values if isinstance(out, tuple) else out

    return function


def drawn(data, code, max_dims, max_side):
    even = "glu" in code or "maxout" in code
    shape = data.draw(
        st.lists(st.integers(2, max_side), min_size=1, max_size=max_dims).map(
            lambda sides: [2 * (n // 2) if even else n for n in sides]
        )
    )
    x = data.draw(arrays(tuple(shape), **CODES[code]))
    return x, data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.booleans())


@pytest.mark.parametrize("code", CODES)
@settings(max_examples=min(8, settings.default.max_examples))
@given(data=st.data())
def test_gradients(code, data):
    x, d, k = drawn(data, code, 2, 4)
    gradcheck(run(code, d, k), x)
    gradgradcheck(run(code, d, k), x)


@pytest.mark.torch
@pytest.mark.parametrize("code", [c for c in CODES if not any(word in c for word in ONLY_OURS)])
@given(data=st.data())
def test_agrees_with_torch(agree, code, data):
    x, d, k = drawn(data, code, 4, 5)
    atol = 1e-7 if any(word in code for word in LOOSE) else 1e-9
    agree(re.sub(r"\bk\b", str(k), re.sub(r"\bd\b", str(d), code)), x=x, atol=atol)


TIED = np.array([[1.0, 2.0, 2.0], [2.0, 0.0, 0.0], [-2.0, 2.0, 1.0]])
SPECIAL = np.array([[NAN, 1.0, 2.0], [INF, 1.0, -INF], [3.0, NAN, NAN]])


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "x.max()",
        "x.min()",
        "x.max(1)",
        "x.min(0)",
        "x.amax(1)",
        "x.amin((0, 1))",
        "x.amax(())",
        "x.argmax(1)",
        "x.argmin(0)",
        "x.argmax()",
        "x.argmin(keepdim=True)",
        "x.median()",
        "x.sort(dim=1, stable=True)",
        "lib.sort(x, dim=0, descending=True, stable=True)",
        "x.argsort(dim=1, stable=True)",
        "x.norm(float('inf'))",
        "x.norm(float('-inf'), 1)",
        "lib.linalg.norm(x, 1)",
        "lib.linalg.norm(x, float('inf'))",
        "lib.linalg.norm(x, -1, dim=(0, 1), keepdim=True)",
        "lib.linalg.norm(x, float('-inf'), dim=(1, 0))",
        "lib.linalg.norm(x, 'fro')",
        "lib.linalg.matrix_norm(x)",
        "x.norm('fro', dim=(0, 1))",
        "x.prod(1)",
        "x.prod()",
        "x.cumprod(1)",
        "x.count_nonzero()",
        "x.count_nonzero(dim=1)",
        "(x > 1).any(1)",
        "(x > -3).all()",
        "x.all(0, keepdim=True)",
        "x.any(dim=(0, 1))",
        "x.mean((0, 1), keepdim=True)",
    ],
)
def test_ties_and_dimensions_agree_with_torch(agree, code):
    agree(code, x=TIED, order=1)


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "x.max()",
        "x.max(1)",
        "x.min(0)",
        "x.argmax(1)",
        "x.argmin(0)",
        "x.median()",
        "x.median(0)",
        "x.sort(1)",
        "x.sort(0, descending=True)",
        "x.topk(2)",
        "x.sum(1)",
        "x.prod(1)",
        "x.norm(dim=1)",
        "x.logsumexp(1)",
        "x.cumsum(1)",
        "x.amax(0)",
        "x.all(1)",
    ],
)
def test_nan_and_infinity_agree_with_torch(agree, code):
    agree(code, x=SPECIAL, order=0)


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "x.sum()",
        "x.sum(0)",
        "x.mean()",
        "x.prod()",
        "x.prod(0)",
        "x.std(0)",
        "x.var()",
        "x.norm()",
        "x.norm(1, 0)",
        "x.logsumexp(0)",
        "x.all()",
        "x.any(1)",
        "x.cumsum(0)",
        "x.cumprod(1)",
        "x.sort(0)",
        "x.topk(0, 0)",
        "x.count_nonzero()",
        "x.amax(1)",
        "x.argmax(1)",
        "x.max(1)",
    ],
)
@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
def test_nothing_agrees_with_torch(agree, code):
    agree(code, x=np.zeros((0, 3)), order=1)


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "x.sum(0)",
        "x.mean(-1)",
        "x.prod(0)",
        "x.max(0)",
        "x.min(-1, keepdim=True)",
        "x.amax()",
        "x.argmax(0)",
        "x.argmin()",
        "x.median(0)",
        "x.sort()",
        "x.topk(1)",
        "x.argsort()",
        "x.cumsum(0)",
        "x.cumprod(-1)",
        "x.logsumexp(0)",
        "x.norm()",
        "x.var(0, False)",
        "x.all(0)",
        "x.softmax(0)",
    ],
)
def test_a_number_agrees_with_torch(agree, code):
    agree(code, x=np.array(1.5), order=2)


def test_the_median_of_nothing_is_nan():
    assert np.isnan(tg.zeros(0).median().item())


def test_logsumexp_of_minus_infinities_has_no_gradient():
    x = tg.tensor(np.array([[-INF, -INF], [-INF, 0.0]]), requires_grad=True)
    y = x.logsumexp(1)
    assert y.tolist() == [-INF, 0.0]
    (dx,) = tg.grad(y.sum(), x, create_graph=True)
    assert dx.tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert tg.grad(dx.sum(), x)[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_logsumexp_does_not_overflow():
    x = tg.tensor(np.array([1e4, 1e4, -1e4]))
    assert x.logsumexp(0).item() == pytest.approx(1e4 + math.log(2), rel=1e-15)
    low = tg.tensor([-1e4, -1e4], dtype=tg.float32)
    assert low.logsumexp(0).item() == pytest.approx(-1e4 + math.log(2))


@pytest.mark.parametrize(
    ("values", "want"),
    [([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]), ([0.0, 2.0, 0.0], [0.0, 0.0, 0.0]), ([4.0], [1.0])],
)
def test_prod_is_exact_where_elements_are_zero(values, want):
    x = tg.tensor(values, requires_grad=True)
    x.prod().backward()
    assert x.grad.tolist() == want


def test_products_of_zeros_are_differentiable_twice():
    x = np.array([[0.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    for function in (lambda x: x.prod(1), lambda x: x.cumprod(1)):
        gradcheck(function, x)
        gradgradcheck(function, x)


def test_a_long_product_is_differentiable_twice():
    x = tg.tensor(np.linspace(0.9, 1.1, 1000), requires_grad=True)
    (dx,) = tg.grad(x.prod(), x, create_graph=True)
    (ddx,) = tg.grad(dx[0], x)
    a = x.detach().numpy()
    want = a.prod() / a[0] / a
    want[0] = 0
    np.testing.assert_allclose(ddx.numpy(), want, rtol=1e-9)


def test_the_deviation_of_equals_has_gradient_zero():
    x = tg.tensor(np.full((2, 3), 0.1), requires_grad=True)
    x.std(1).sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2


def test_the_largest_shares_its_gradient_and_an_index_takes_it_all():
    x = tg.tensor([1.0, 2.0, 2.0], requires_grad=True)
    assert tg.grad(x.max(), x)[0].tolist() == [0.0, 0.5, 0.5]
    assert tg.grad(x.max(0).values, x)[0].tolist() == [0.0, 1.0, 0.0]
    assert tg.grad(x.median(), x)[0].tolist() == [0.0, 0.5, 0.5]


def test_equals_keep_their_order():
    x = tg.tensor([2.0, 1.0, 2.0, 1.0, 2.0])
    assert x.sort().indices.tolist() == [1, 3, 0, 2, 4]
    assert x.sort(descending=True).indices.tolist() == [0, 2, 4, 1, 3]
    assert x.topk(2).indices.tolist() == [0, 2]
    assert x.topk(3, largest=False).indices.tolist() == [1, 3, 0]


def test_maxout_takes_the_largest_of_consecutive_channels():
    x = tg.tensor(np.arange(24.0).reshape(1, 6, 2, 2) * np.array([1, -1])[None, None, None])
    want = x.numpy().reshape(1, 2, 3, 2, 2).max(2)
    np.testing.assert_array_equal(F.maxout(x, 3).numpy(), want)


def test_maxout_gives_ties_to_the_first():
    x = tg.tensor(np.zeros((1, 4)), requires_grad=True)
    F.maxout(x, 2).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 1.0, 0.0]]


X = tg.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: X.sum(2), IndexError, r"sum: dim 2 but the tensor has 2 dimensions"),
        (lambda: X.sum((0, -2)), ValueError, r"sum: dim \(0, -2\) names a dimension twice"),
        (lambda: X.mean(1.0), TypeError, r"mean: dim must be an int, got 1.0"),
        (lambda: X.long().mean(), TypeError, r"mean: expected floats, got int64"),
        (lambda: X.long().var(), TypeError, r"var: expected floats, got int64"),
        (lambda: X.long().norm(), TypeError, r"norm: expected floats, got int64"),
        (lambda: X[:0].max(), IndexError, r"max: no elements to choose from in shape \(0, 3\)"),
        (lambda: X[:0].amin(0), IndexError, r"amin: no elements to choose from in shape"),
        (lambda: X[:0].argmax(), IndexError, r"argmax: no elements to choose from"),
        (lambda: X[:0].median(0), IndexError, r"median: no elements to choose from"),
        (lambda: X[:0].norm(INF), IndexError, r"amax: no elements to choose from"),
        (lambda: X.topk(4), ValueError, r"topk: k is 4 but dimension -1 of \(2, 3\) has 3"),
        (lambda: X.norm("nuc"), ValueError, r"norm: p must be a number or 'fro', got 'nuc'"),
        (lambda: tg.linalg.vector_norm(X, "fro"), TypeError, r"order of a vector norm must be"),
        (lambda: tg.linalg.norm(X, 2), ValueError, r"matrix_norm: ord must be 'fro', 1, -1, inf"),
        (lambda: tg.linalg.norm(X, "fro", 0), ValueError, r"'fro' is for matrices but dim 0"),
        (lambda: tg.linalg.norm(X[None], 1), ValueError, r"needs 1 or 2 dimensions, got \(1, 2"),
        (lambda: tg.linalg.matrix_norm(X, dim=0), ValueError, r"dim must name two dimensions"),
        (lambda: X.cumsum(-3), IndexError, r"cumsum: dim -3 but the tensor has 2 dimensions"),
        (lambda: F.maxout(X, 2), ValueError, r"maxout: 2 pieces do not divide dimension 1 of inp"),
        (lambda: F.glu(X), ValueError, r"glu: dimension -1 of input \(2, 3\) is odd: 3"),
        (lambda: F.softmax(X, 2), IndexError, r"softmax: dim 2 but the tensor has 2 dimensions"),
    ],
    ids=range(22),
)
def test_mistakes_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
