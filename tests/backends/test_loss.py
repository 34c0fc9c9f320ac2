"""Softmax and cross-entropy kernels against the reference room, and the reference by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp import loss as cpp
from tinygrad_cv.backends.reference import loss as reference

DTYPES = [np.float32, np.float64]
SHAPES = [(1, 1), (3, 2), (250, 10), (17, 16), (5, 17), (4, 65), (33, 100), (2, 1000), (0, 5)]
IGNORE = -100


def scores(shape, dtype, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def labels(rows, classes, seed=0):
    t = np.random.default_rng(seed).integers(0, classes, rows)
    t[::4] = IGNORE
    return t


def close(got, want, dtype):
    assert got.dtype == dtype
    assert got.shape == want.shape
    size = max(1.0, np.abs(want).max(initial=0.0))
    np.testing.assert_allclose(got, want, rtol=0, atol=16 * np.finfo(dtype).eps * size)


def test_the_reference_is_the_formula():
    x, t = scores((4, 3), np.float64), np.array([0, 2, IGNORE, 1])
    weight = np.array([1.0, 2.0, 0.5])
    loss, factor, p = reference.cross_entropy(x, t, weight, IGNORE)
    for r, row in enumerate(x):
        shares = [math.exp(v) / sum(map(math.exp, row)) for v in row]
        np.testing.assert_allclose(p[r], shares)
        used = t[r] != IGNORE
        assert factor[r] == (weight[t[r]] if used else 0)
        assert np.isclose(loss[r], -factor[r] * math.log(shares[t[r]]) if used else 0)
    grad = np.array([1.0, -2.0, 3.0, 0.5])
    gx = reference.cross_entropy_backward(grad, p, t, IGNORE, factor)
    for r, c in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[r, c] = 1e-6
        above, below = (reference.cross_entropy(x + s, t, weight, IGNORE)[0] for s in (step, -step))
        assert np.isclose(gx[r, c], (grad * (above - below)).sum() / 2e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_log_softmax_is_exact_to_its_bound(shape, dtype):
    x, grad = scores(shape, dtype), scores(shape, dtype, 1)
    y = cpp.log_softmax(x)
    close(y, reference.log_softmax(x.astype(np.float64)), dtype)
    want = reference.log_softmax_backward(grad.astype(np.float64), y.astype(np.float64))
    scale = np.abs(grad).sum(1, keepdims=True).max(initial=1)
    close(cpp.log_softmax_backward(grad, y) / dtype(scale), want / float(scale), dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_is_exact_to_its_bound(shape, dtype, weighted):
    x, t = scores(shape, dtype), labels(*shape)
    weight = np.random.default_rng(1).random(shape[1]).astype(dtype) if weighted else None
    wide = None if weight is None else weight.astype(np.float64)
    got = cpp.cross_entropy(x, t, weight, IGNORE)
    for ours, theirs in zip(
        got, reference.cross_entropy(x.astype(np.float64), t, wide, IGNORE), strict=True
    ):
        close(ours, theirs, dtype)
    _, factor, p = got
    for grad in (scores(shape[0], dtype, 2), np.array(0.25, dtype)):
        each = np.broadcast_to(grad, shape[0])
        want = reference.cross_entropy_backward(
            each.astype(np.float64), p.astype(np.float64), t, IGNORE, factor.astype(np.float64)
        )
        close(cpp.cross_entropy_backward(grad, p, t, IGNORE, factor), want, dtype)


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 70)),
    dtype=st.sampled_from(DTYPES),
    shift=st.floats(-1e4, 1e4),
)
def test_large_scores_do_not_overflow(shape, dtype, shift):
    x = scores(shape, dtype) + dtype(shift)
    p = cpp.cross_entropy(x, labels(*shape), None, IGNORE)[2]
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(cpp.log_softmax(x)).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("room", [cpp, reference])
def test_infinite_scores_are_exact(room):
    inf = np.inf
    x = np.array([[0, -inf, 0], [-inf, -inf, -inf], [inf, 0, 0], [0, np.nan, 0]], np.float32)
    y = room.log_softmax(x)
    np.testing.assert_allclose(y[0], [-math.log(2), -inf, -math.log(2)], rtol=1e-6)
    assert np.isnan(y[1]).all()
    assert np.isnan(y[3]).all()
    loss, _, p = room.cross_entropy(x, np.array([1, 7, 7, 7]), None, 7)
    assert loss[0] == inf
    assert (loss[1:] == 0).all()
    gx = room.cross_entropy_backward(np.ones(4, np.float32), p, np.array([1, 7, 7, 7]), 7, p[:, 0])
    assert (gx[1:] == 0).all()


def test_a_label_that_exists_may_be_ignored():
    x = scores((3, 4), np.float32)
    loss, factor, _ = cpp.cross_entropy(x, np.array([2, 1, 2]), None, 2)
    assert (loss[[0, 2]] == 0).all()
    assert (factor == [0, 1, 0]).all()
    assert loss[1] > 0


def test_strided_rows_and_more_dimensions_are_taken():
    x = scores((6, 5, 4), np.float32)
    np.testing.assert_array_equal(cpp.log_softmax(x)[3], cpp.log_softmax(x[3]))
    np.testing.assert_array_equal(cpp.log_softmax(x[:, ::2].T), cpp.log_softmax(x[:, ::2].T.copy()))


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_change_no_bit_exactly(threads):
    x, t = scores((3000, 40), np.float32), labels(3000, 40)
    before, results = _core.get_num_threads(), []
    for count in (1, threads):
        _core.set_num_threads(count)
        results.append((cpp.log_softmax(x), *cpp.cross_entropy(x, t, None, IGNORE)))
    _core.set_num_threads(before)
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


def test_what_does_not_fit_is_refused():
    x, t = scores((3, 4), np.float32), np.array([0, 1, 2])
    with pytest.raises(IndexError, match=r"target\[1\] is 4 but the classes are 0 to 3"):
        cpp.cross_entropy(x, np.array([0, 4, 1]), None, IGNORE)
    with pytest.raises(ValueError, match="has 2 labels but there are 3 rows"):
        cpp.cross_entropy(x, t[:2], None, IGNORE)
    with pytest.raises(ValueError, match="weight has 3 elements but there are 4 classes"):
        cpp.cross_entropy(x, t, x[:, 0].copy(), IGNORE)
    with pytest.raises(ValueError, match="factor and grad must have 3 elements"):
        cpp.cross_entropy_backward(np.ones(2, np.float32), x, t, IGNORE, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="at least 1 dimension"):
        cpp.log_softmax(np.zeros((), np.float32))
