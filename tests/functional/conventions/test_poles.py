"""Rows of docs/conventions.md: Zeros and poles."""

from __future__ import annotations

import math

import numpy as np
import pytest

INF, NAN = math.inf, math.nan


def test_square_root_at_0(lib, gradient):
    assert gradient(lib.sqrt, [0, 4]) == [INF, 0.25]


@pytest.mark.parametrize(
    "pole", ["x.sqrt()", "x.log()", "x ** 0.5", "1 / x", "x ** -1", "x.rsqrt()"]
)
def test_no_gradient_arriving_at_a_pole(lib, gradient, pole):
    assert gradient(lambda x: eval(pole, {"x": x}) * 0, [0]) == [0]


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, INF])
def test_norm_of_zeros(lib, gradient, p):
    assert gradient(lambda x: lib.norm(x, p=p), [0, 0]) == [0, 0]


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_distance_of_equal_rows(lib, F, gradient, p):
    row = [[1, 0]]
    assert gradient(lambda x, y: lib.cdist(x, y, p=p), row, row) == [[[0, 0]], [[0, 0]]]
    apart = gradient(lambda x, y: F.pairwise_distance(x, y, p=p, eps=0), row, row)
    assert apart == [[[0, 0]], [[0, 0]]]


def test_hypotenuse_of_zeros(lib, gradient):
    assert gradient(lib.hypot, [0], [0]) == [[0], [0]]


def test_standard_deviation_of_equals(lib, gradient):
    assert gradient(lambda x: x.std(), [3, 3, 3]) == [0, 0, 0]


def test_product_with_zeros(lib, gradient):
    assert gradient(lambda x: x.prod(), [0, 2, 3]) == [6, 0, 0]
    assert gradient(lambda x: x.prod(), [0, 0, 3]) == [0, 0, 0]
    assert gradient(lambda x: x.cumprod(0), [0, 2, 3]) == [9, 0, 0]


def test_0_to_the_power_0(lib, gradient):
    zero = lib.tensor([0.0])
    assert (zero**zero).item() == 1
    assert gradient(lib.pow, [0], [0]) == [[0], [0]]


def test_log_softmax_of_large_scores(lib, F, gradient):
    for x in ([1e4, 0], [0, -1e4]):
        assert F.log_softmax(lib.tensor(x), 0).tolist() == [0, -1e4]
    weighted = gradient(lambda x: F.log_softmax(x, 0)[1], [1e4, 0])
    assert weighted == [-1, 1]


def test_softmax_of_minus_infinities_alone(lib, F):
    x = lib.tensor([[-INF, -INF], [-INF, 0.0]])
    np.testing.assert_equal(F.log_softmax(x, 1).tolist(), [[NAN, NAN], [-INF, 0]])
    np.testing.assert_equal(F.softmax(x, 1).tolist(), [[NAN, NAN], [0, 1]])


def test_logsumexp_of_minus_infinities_alone(lib, gradient):
    assert lib.logsumexp(lib.tensor([-INF, -INF]), 0).item() == -INF
    assert gradient(lambda x: lib.logsumexp(x, 0), [-INF, -INF]) == [0, 0]


def test_l2_pooling_of_zeros(lib, F, gradient):
    x = [[[[0, 0, 3], [0, 0, 0]]]]
    assert gradient(lambda x: F.lp_pool2d(x, 2, 2, 1), x) == [[[[0, 0, 1], [0, 0, 0]]]]
    assert gradient(lambda x: F.lp_pool2d(x, 3.0, 2), [[[[0, 0], [0, 0]]]]) == [[[[0, 0], [0, 0]]]]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_without_a_dimension(lib, F, name):
    with pytest.raises(TypeError, match="dim"):
        getattr(F, name)(lib.zeros(2, 3))
    with pytest.raises(TypeError, match=f"{name}: dim must be an int, got None"):
        getattr(F, name)(lib.zeros(2, 3), None)
