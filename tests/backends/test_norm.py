"""Batch normalisation kernels against the reference room, and the reference against its formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp import norm as cpp
from tinygrad_cv.backends.reference import norm as reference

DTYPES = [np.float32, np.float64]
EPS = 1e-5
# One position a channel (lanes over channels), planes below, at and above a vector and four, one
# image, one channel, more rows than a sum of 64, several jobs; fewer channels than lanes, more than
# are merged at a time, sums merged by several threads, planes too long to be taken in order.
SHAPES = [
    (5, 3), (1, 40, 1), (130, 17), (64, 100), (4, 3, 5), (2, 3, 4, 4), (3, 2, 1, 17), (1, 2, 9, 13),
    (6, 1, 8, 8), (2, 5, 16, 16), (3, 40, 20, 20), (64, 8, 4, 4), (40, 1, 5, 5), (9, 3, 7, 7),
    (3, 70, 33, 33), (700, 100, 2), (2, 3, 64, 65),
]  # fmt: skip
LONG = (4, 9, 65, 67)  # taken channel by channel


def drawn(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(got, want, dtype, scale=200):
    """Every element within `scale` rounding errors of the largest."""
    for ours, theirs in zip(got, want, strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        size = np.abs(theirs).max(initial=0.0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale * np.finfo(dtype).eps * size)


def wide(*arrays):
    return [None if a is None else a.astype(np.float64) for a in arrays]


def test_the_reference_normalises():
    x, w, b = drawn((6, 3, 4, 5), np.float64), drawn(3, np.float64, 1), drawn(3, np.float64, 2)
    y, mean, variance, root = reference.batch_norm(x, w, b, EPS)
    for c in range(3):
        values = x[:, c]
        assert np.isclose(mean[c], values.sum() / values.size)
        assert np.isclose(variance[c], ((values - mean[c]) ** 2).sum() / values.size)
        assert np.isclose(root[c], (variance[c] + EPS) ** -0.5)
        np.testing.assert_allclose(y[:, c], (values - mean[c]) * root[c] * w[c] + b[c])
    clipped = reference.batch_norm(x, w, b, EPS, True)[0]
    np.testing.assert_array_equal(clipped, np.maximum(y, 0))
    affine = reference.channel_affine(x, w, b)
    np.testing.assert_allclose(affine[:, 1], x[:, 1] * w[1] + b[1])


@pytest.mark.parametrize("relu", [False, True])
def test_the_references_gradients_are_the_slopes(relu):
    x, w, b = drawn((3, 2, 2), np.float64), drawn(2, np.float64, 1), drawn(2, np.float64, 2)
    grad = drawn(x.shape, np.float64, 3)

    def loss():
        return (reference.batch_norm(x, w, b, EPS, relu)[0] * grad).sum()

    _, mean, _, root = reference.batch_norm(x, w, b, EPS, relu)
    for array, slope in zip(
        (x, w, b), reference.batch_norm_backward(grad, x, w, b, mean, root, relu), strict=True
    ):
        for place in np.ndindex(array.shape):
            was = array[place]
            array[place] = was + 1e-6
            above = loss()
            array[place] = was - 1e-6
            below = loss()
            array[place] = was
            assert np.isclose(slope[place], (above - below) / 2e-6, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_are_exact_to_their_bounds(shape, dtype, affine, relu):
    x, grad = drawn(shape, dtype) * 2 + 3, drawn(shape, dtype, 1)
    w, b = (drawn(shape[1], dtype, 2), drawn(shape[1], dtype, 3)) if affine else (None, None)
    got = cpp.batch_norm(x, w, b, EPS, relu)
    want = reference.batch_norm(*wide(x, w, b), EPS, relu)
    close(got, want, dtype)
    # From the statistics that the kernel found: what is clipped depends on them.
    args = grad, x, w, b, got[1], got[3]
    gradients = reference.batch_norm_backward(*wide(*args), relu)
    if relu:  # a value next to 0 may fall to either side
        y = reference.batch_norm(*wide(x, w, b), EPS)[0]
        if np.abs(y).min() < 100 * np.finfo(dtype).eps:
            return
    close(cpp.batch_norm_backward(*args, relu), gradients, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_affine_maps_are_exact(shape, relu, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, shape).astype(dtype)
    scale, shift = (rng.integers(-4, 5, shape[1]).astype(dtype) for _ in range(2))
    got = cpp.channel_affine(x, scale, shift, relu)
    np.testing.assert_array_equal(got, reference.channel_affine(x, scale, shift, relu))


@given(
    shape=st.lists(st.integers(1, 12), min_size=2, max_size=4).filter(lambda s: np.prod(s) > s[1]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
@example(shape=[64, 32, 8, 8], dtype=np.float32, seed=0)
def test_kernels_agree_with_the_reference(shape, dtype, seed):
    x, grad = drawn(shape, dtype, seed), drawn(shape, dtype, seed + 1)
    w, b = drawn(shape[1], dtype, 2), drawn(shape[1], dtype, 3)
    close(cpp.batch_norm(x, w, b, 0.1), reference.batch_norm(*wide(x, w, b), 0.1), dtype)
    _, mean, _, root = cpp.batch_norm(x, w, b, 0.1)
    args = grad, x, w, b, mean, root
    close(cpp.batch_norm_backward(*args), reference.batch_norm_backward(*wide(*args)), dtype, 2000)


@pytest.mark.parametrize("shape", [(4096, 2), (16, 2, 32, 32), LONG])
def test_a_large_mean_does_not_drown_the_variance(shape):
    x = (drawn(shape, np.float64) + 1e4).astype(np.float32)
    _, mean, variance, _ = cpp.batch_norm(x, None, None, EPS)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(axes), rtol=1e-6)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axes), rtol=1e-3)


# Statistics are merged from planes; from images of a channel that no second-level cache holds.
@pytest.mark.parametrize("shape", [(5, 2, 20, 20), (5, 2, 400, 400)])
def test_statistics_of_images_apart_are_merged(shape):
    x = drawn(shape, np.float32) + 100 * np.arange(5, dtype=np.float32)[:, None, None, None]
    grad, wide_x = drawn(x.shape, np.float32, 1), x.astype(np.float64)
    got = cpp.batch_norm(x, None, None, EPS)
    np.testing.assert_allclose(got[1], wide_x.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(got[2], wide_x.var((0, 2, 3)), rtol=1e-6)
    close(got, reference.batch_norm(*wide(x, None, None), EPS), np.float32)
    args = grad, x, None, None, got[1], got[3]
    close(cpp.batch_norm_backward(*args), reference.batch_norm_backward(*wide(*args)), np.float32)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 20), LONG])
def test_nan_spoils_its_channel_only(shape):
    x = drawn(shape, np.float32)
    x[2, 1] = np.nan
    y, mean, variance, root = cpp.batch_norm(x, None, None, EPS, True)
    assert np.isnan(y[:, 1]).all()
    assert np.isfinite(np.delete(y, 1, 1)).all()
    assert np.isnan([mean[1], variance[1], root[1]]).all()


def test_strided_arrays_are_taken():
    x, grad = drawn((4, 5, 6, 3), np.float32), drawn((4, 3, 5, 6), np.float32)
    moved, w = x.transpose(0, 3, 1, 2), drawn(6, np.float32)[::2]
    got = cpp.batch_norm(moved, w, w, EPS)
    for ours, theirs in zip(got, cpp.batch_norm(moved.copy(), w.copy(), w, EPS), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    backward = cpp.batch_norm_backward(grad, moved, w, None, got[1], got[3])
    same = cpp.batch_norm_backward(grad, moved.copy(), w.copy(), None, got[1], got[3])
    np.testing.assert_array_equal(backward[0], same[0])


@pytest.mark.parametrize("shape", [(20, 33, 9, 9), (700, 100, 2), LONG])
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_change_no_bit_exactly(threads, shape):
    x, grad = drawn(shape, np.float32), drawn(shape, np.float32, 1)
    before, results = _core.get_num_threads(), []
    for count in (1, threads):
        _core.set_num_threads(count)
        forward = cpp.batch_norm(x, None, None, EPS)
        backward = cpp.batch_norm_backward(grad, x, None, None, forward[1], forward[3])
        results.append((*forward, *backward))
    _core.set_num_threads(before)
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


def test_what_does_not_fit_is_refused():
    x, w = drawn((2, 3, 4), np.float32), drawn(2, np.float32)
    with pytest.raises(ValueError, match="weight has 2 elements but there are 3 channels"):
        cpp.batch_norm(x, w, None, EPS)
    with pytest.raises(ValueError, match="x has no values in a channel"):
        cpp.batch_norm(x[:0], None, None, EPS)
    with pytest.raises(ValueError, match=r"must have shape \(N, C, ...\), got 1"):
        cpp.batch_norm(w, None, None, EPS)
    with pytest.raises(ValueError, match="grad and x must have one shape"):
        cpp.batch_norm_backward(x[:1], x, None, None, w, w)
    with pytest.raises(TypeError, match="bias must be a float32 array"):
        cpp.batch_norm(x, None, np.zeros(3), EPS)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 40), (70, 130), (0, 4)])
def test_rows_are_normalised(shape, dtype, affine):
    x, grad = drawn(shape, dtype) * 2 + 3, drawn(shape, dtype, 1)
    w, b = (drawn(shape[1], dtype, 2), drawn(shape[1], dtype, 3)) if affine else (None, None)
    got = cpp.layer_norm(x, w, b, 0.1)
    close(got, reference.layer_norm(*wide(x, w, b), 0.1), dtype)
    args = grad, x, w, *got[1:]
    close(cpp.layer_norm_backward(*args), reference.layer_norm_backward(*wide(*args)), dtype)


def test_the_references_layer_norm_is_batch_norm_across():
    x, grad = drawn((4, 6), np.float64), drawn((4, 6), np.float64, 1)
    y, mean, root = reference.layer_norm(x, None, None, EPS)
    across, average, _, r = reference.batch_norm(np.ascontiguousarray(x.T), None, None, EPS)
    close((y, mean, root), (across.T, average, r), np.float64)
    gx, gw, gb = reference.layer_norm_backward(grad, x, None, mean, root)
    want = reference.batch_norm_backward(grad.T, x.T, None, None, mean, root)[0]
    close((gx,), (want.T,), np.float64)
    close((gw, gb), ((grad * y).sum(axis=0), grad.sum(axis=0)), np.float64)
