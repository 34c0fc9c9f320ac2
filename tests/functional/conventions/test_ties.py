"""Rows of docs/conventions.md: Ties and kinks."""

from __future__ import annotations

import math

import numpy as np
import pytest

NAN = math.nan


def test_largest_or_smallest_of_everything_among_equals(lib, gradient):
    assert gradient(lambda x: x.max(), [1, 2, 2]) == [0, 0.5, 0.5]
    assert gradient(lambda x: x.min(), [1, 1, 2]) == [0.5, 0.5, 0]
    assert gradient(lambda x: x.amax(1), [[3, 1, 3], [0, 0, 0]]) == [
        [0.5, 0, 0.5],
        [1 / 3, 1 / 3, 1 / 3],
    ]


def test_largest_or_smallest_along_a_dimension_among_equals(lib, gradient):
    x = [[1, 2, 2], [3, 3, 0]]
    assert lib.tensor(x).max(1).indices.tolist() == [1, 0]
    assert lib.tensor(x).argmax(1).tolist() == [1, 0]
    assert gradient(lambda x: x.max(1).values, x) == [[0, 1, 0], [1, 0, 0]]


def test_max_pooling_among_equals(lib, F, gradient):
    assert gradient(lambda x: F.max_pool2d(x, 2), [[[[1, 2], [2, 2]]]]) == [[[[0, 1], [0, 0]]]]


def test_maximum_or_minimum_of_two_equals(lib, gradient):
    assert gradient(lib.maximum, [0], [0]) == [[0.5], [0.5]]
    assert gradient(lib.minimum, [2, 1], [2, 5]) == [[0.5, 1], [0.5, 0]]
    assert gradient(lambda x: lib.maximum(x, x), [0, 1]) == [1, 1]


def test_relu_at_0(lib, F, gradient):
    assert gradient(F.relu, [-1, 0, 1]) == [0, 0, 1]


def test_clamp_at_its_ends(lib, gradient):
    assert gradient(lambda x: x.clamp(0, 1), [-0.5, 0, 1, 1.5]) == [0, 1, 1, 0]


def test_hardtanh_and_relu6_at_their_ends(lib, F, gradient):
    assert gradient(F.hardtanh, [-1, 0, 1]) == [0, 1, 0]
    assert gradient(F.relu6, [0, 3, 6]) == [0, 1, 0]


def test_leaky_relu_and_elu_at_0(lib, F, gradient):
    assert gradient(lambda x: F.leaky_relu(x, 0.25), [0]) == [0.25]
    assert gradient(lambda x: F.elu(x, 2.0), [0]) == [2]


def test_absolute_value_at_0(lib, F, gradient):
    assert gradient(lib.abs, [-2, 0, 2]) == [-1, 0, 1]
    assert gradient(F.l1_loss, [3.0], [3.0]) == [[0], [0]]


def test_hinge_exactly_at_its_margin(lib, F, gradient):
    target = lib.tensor([0])
    assert gradient(lambda s: F.multi_margin_loss(s, target), [[1, 0, 0]]) == [[0, 0, 0]]


def test_nan_among_the_values(lib, F):
    x = lib.tensor([NAN, -1.0])
    for function in (F.relu, lambda x: x.clamp(-2, 2), lib.sigmoid, lambda x: lib.maximum(x, -x)):
        assert np.isnan(function(x).tolist()).tolist() == [True, False]
    assert math.isnan(x.max().item())
    assert math.isnan(x.min().item())


def test_nan_in_sort_and_argmax(lib):
    x = lib.tensor([NAN, 1.0, 0.0])
    np.testing.assert_equal(x.sort().values.tolist(), [0, 1, NAN])
    assert x.argmax().item() == x.argmin().item() == 0


def test_pairs_exactly_at_their_margin(lib, F, gradient):
    zero, one = (lib.tensor([n], dtype=lib.float64) for n in (0.0, 1.0))
    assert gradient(lambda x: F.margin_ranking_loss(x, zero, one, margin=1), [1]) == [-1]
    assert gradient(lambda x: F.hinge_embedding_loss(x, -one), [1]) == [-1]
    # Distances of 1 and 2, which differ by the margin.
    slopes = gradient(lambda x, far: F.triplet_margin_loss(x, zero, far, eps=0), [1], [3])
    assert slopes == [[2], [-1]]


@pytest.mark.parametrize(
    ("function", "kink"),
    [
        ("F.elu(x, 0.5)", 0.0),
        ("F.celu(x, 0.5)", 0.0),
        ("F.selu(x)", 0.0),
        ("F.smooth_l1_loss(x, 0 * x, beta=0.5)", 0.5),
        ("F.huber_loss(x, 0 * x, delta=2.0)", -2.0),
    ],
)
def test_second_derivative_at_a_kink(lib, F, function, kink):
    x = lib.tensor(kink, dtype=lib.float64, requires_grad=True)
    y = eval(function, {"F": F, "x": x})
    (slope,) = lib.autograd.grad(y, x, create_graph=True)
    (bend,) = lib.autograd.grad(slope, x)
    assert slope.item() != 0
    assert bend.item() == 0
