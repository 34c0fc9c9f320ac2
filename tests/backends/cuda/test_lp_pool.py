"""Norm pooling on the emulated GPU against the reference room, exact where no power rounds."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.backends.reference import pool as reference

DTYPES = [np.float32, np.float64]
FORMS = [
    (Pool2dSettings((2, 2), (2, 2), (0, 0)), (8, 9)),
    (Pool2dSettings((3, 2), (1, 2), (0, 0)), (7, 9)),
    (Pool2dSettings((2, 3), (3, 2), (0, 0), ceil_mode=True), (5, 8)),
    (Pool2dSettings((3, 3), (2, 1), (0, 0), ceil_mode=True), (90, 150)),  # rounds of every thread
]


def both(gpu, x, p, how):
    """The GPU's and the reference's y and gx."""
    want = reference.lp_pool2d(x, p, how)
    grad = np.random.default_rng(1).integers(-3, 4, want.shape).astype(x.dtype)
    back = reference.lp_pool2d_backward(grad, x, want, p, how)
    y = gpu.room.lp_pool2d(gpu.asarray(x), p, how)
    gx = gpu.room.lp_pool2d_backward(gpu.asarray(grad), gpu.asarray(x), gpu.asarray(want), p, how)
    return (y.get(), want), (gx.get(), back), (grad, want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_their_gradients_are_exact(gpu, schedule, dtype):
    """p = 1, of numbers that every window's size divides."""
    for how, size in FORMS:
        x = np.random.default_rng(0).integers(-5, 6, (1, 2, *size)).astype(dtype) * 36
        (y, want), (gx, back), _ = both(gpu, x, 1, how)
        np.testing.assert_array_equal(y, want)
        np.testing.assert_allclose(gx, back, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_euclidean_norms_have_the_references_bits(gpu, schedule, dtype):
    for how, size in FORMS:
        x = np.random.default_rng(0).standard_normal((1, 2, *size)).astype(dtype)
        (y, want), _, _ = both(gpu, x, 2, how)
        np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0.5, 1.5, 2, 3, 4.5, -1])
def test_norms_and_gradients_are_within_their_bound(gpu, dtype, p):
    """All terms are positive, so that sums keep their relative precision."""
    for how, size in FORMS:
        x = np.random.default_rng(0).uniform(0.1, 3, (2, 1, *size)).astype(dtype)
        (y, want), (gx, back), (grad, value) = both(gpu, x, p, how)
        rounding = 40 * np.finfo(dtype).eps
        np.testing.assert_allclose(y, want, rtol=rounding)
        terms = reference.lp_pool2d_backward(abs(grad), x, value, p, how)
        assert (abs(gx - back) <= rounding * terms).all()


@pytest.mark.parametrize("p", [0.5, 1, 2, 3.0, -2])
def test_zeros_and_special_values_are_the_references(gpu, p):
    how, size = FORMS[1]
    x = np.random.default_rng(0).integers(0, 2, (1, 3, *size)).astype(np.float32)
    x[0, 0] = 0
    x[0, 1, 3, 4] = np.nan
    x[0, 2, 2, 2] = np.inf
    (y, want), (gx, back), _ = both(gpu, x, p, how)
    np.testing.assert_allclose(y, want, rtol=1e-6)
    np.testing.assert_allclose(gx, back, rtol=1e-6)
    assert not y[0, 0].any()
    assert not gx[0, 0].any()


def test_layouts_that_are_not_dense_are_copied_and_shapes_checked(gpu, rng):
    how = FORMS[0][0]
    x = gpu.asarray(rng.uniform(1, 2, (2, 3, 8, 8)))
    view = x.transpose(1, 0, 3, 2)
    want = reference.lp_pool2d(view.get(), 2, how)
    np.testing.assert_array_equal(gpu.room.lp_pool2d(view, 2, how).get(), want)
    assert gpu.room.lp_pool2d(x[:0], 2, how).shape == (0, 3, 4, 4)
    y = gpu.room.lp_pool2d(x, 2, how)
    with pytest.raises(ValueError, match=r"lp_pool2d_backward: grad is \(2, 3, 4, 3\) but input"):
        gpu.room.lp_pool2d_backward(y[..., :3], x, y, 2, how)
    with pytest.raises(ValueError, match=r"lp_pool2d_backward: y is \(2, 3, 4, 3\) but input"):
        gpu.room.lp_pool2d_backward(y, x, y[..., :3], 2, how)


@pytest.mark.parametrize("p", [-1, -2.5])
def test_a_sum_of_nothing_is_zero_for_negative_powers_too(gpu, p):
    """Infinity to a negative power is 0, and a root of 0 would be infinite."""
    how = FORMS[0][0]
    x = gpu.full((1, 1, 4, 4), np.inf, np.float32)
    y = gpu.room.lp_pool2d(x, p, how)
    assert not y.get().any()
    assert (
        not gpu.room.lp_pool2d_backward(gpu.ones((1, 1, 2, 2), np.float32), x, y, p, how)
        .get()
        .any()
    )
    assert not reference.lp_pool2d(x.get(), p, how).any()
