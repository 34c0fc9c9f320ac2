"""Softmax and cross-entropy on the emulated GPU against the reference room."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.backends.reference import loss as reference

DTYPES = [np.float32, np.float64]
SHAPES = [(1, 1), (5, 10), (300, 3), (0, 4), (2, 1000)]


def sample(rng, rows, classes, dtype):
    x = (10 * rng.standard_normal((rows, classes))).astype(dtype)
    target = rng.integers(0, classes, rows)
    target[::3] = -100
    return x, target, rng.random(classes).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_the_references(gpu, schedule, rng, dtype, weighted):
    for rows, classes in SHAPES:
        x, target, weight = sample(rng, rows, classes, dtype)
        weight = weight if weighted else None
        up = [None if a is None else gpu.asarray(a) for a in (x, target, weight)]
        got = gpu.room.cross_entropy(*up, -100)
        want = reference.cross_entropy(x, target, weight, -100)
        rounding = 8 * np.finfo(dtype).eps * (1 + abs(x).max(initial=0))
        for one, other in zip(got, want, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one.get(), other, rtol=rounding, atol=rounding)
        for grad in (rng.standard_normal(rows).astype(dtype), np.asarray(2.5, dtype)):
            args = want[2], target
            gx = gpu.room.cross_entropy_backward(
                gpu.asarray(grad), *map(gpu.asarray, args), -100, gpu.asarray(want[1])
            )
            expected = reference.cross_entropy_backward(grad, *args, -100, want[1])
            np.testing.assert_allclose(gx.get(), expected, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_softmax_is_the_references(gpu, schedule, rng, dtype):
    for shape in [(1, 1), (5, 10), (2, 150, 3), (0, 4), (3, 0)]:
        x, grad = (3 * rng.standard_normal((2, *shape))).astype(dtype)
        rounding = 16 * np.finfo(dtype).eps
        y = reference.log_softmax(x) if x.size else x
        got = gpu.room.log_softmax(gpu.asarray(x)).get()
        np.testing.assert_allclose(got, y, rtol=rounding, atol=rounding)
        gx = gpu.room.log_softmax_backward(gpu.asarray(grad), gpu.asarray(y)).get()
        want = reference.log_softmax_backward(grad, y) if x.size else grad
        np.testing.assert_allclose(gx, want, rtol=rounding, atol=8 * rounding)


def test_log_softmax_of_special_rows(gpu):
    x = np.array([[-np.inf, -np.inf], [np.nan, 1], [1e4, -1e4], [np.inf, 0]])
    got = gpu.room.log_softmax(gpu.asarray(x)).get()
    np.testing.assert_array_equal(got, [[np.nan] * 2, [np.nan] * 2, [0, -2e4], [np.nan] * 2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_scores_do_not_overflow_and_nan_goes_through(gpu, dtype):
    x = np.array([[1e4, 0, -1e4], [np.nan, 1, 2], [0, 1, np.inf]], dtype)
    target = np.array([1, 0, 0])
    loss, factor, p = gpu.room.cross_entropy(gpu.asarray(x), gpu.asarray(target), None, -100)
    np.testing.assert_array_equal(loss.get(), [1e4, np.nan, np.nan])
    np.testing.assert_array_equal(p.get()[0], [1, 0, 0])
    np.testing.assert_array_equal(factor.get(), [1, 1, 1])


def test_an_ignored_row_is_exactly_zero(gpu):
    x = gpu.asarray(np.array([[np.nan, np.inf]], np.float32))
    target = gpu.asarray(np.array([7]))
    loss, factor, p = gpu.room.cross_entropy(x, target, None, 7)
    assert (loss.item(), factor.item()) == (0, 0)
    gx = gpu.room.cross_entropy_backward(gpu.ones(1, np.float32), p, target, 7, factor)
    np.testing.assert_array_equal(gx.get(), [[0, 0]])


@pytest.mark.parametrize("label", [-1, 2, 2**32])
def test_a_label_that_is_no_class_gives_nan(gpu, label):
    x, target = gpu.ones((2, 2), np.float32), gpu.asarray(np.array([label, 1]))
    loss, factor, _ = gpu.room.cross_entropy(x, target, None, -100)
    for result, known in ((loss, np.log(np.float32(2))), (factor, 1)):
        np.testing.assert_allclose(result.get(), [np.nan, known], rtol=1e-6)


def test_shapes_that_do_not_fit_are_refused(gpu):
    x, target = gpu.zeros((3, 2), np.float32), gpu.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"cross_entropy: target is \(2,\) but x is \(3, 2\)"):
        gpu.room.cross_entropy(x, target, None, -100)
    grad = gpu.zeros(4, np.float32)
    three = gpu.zeros(3, np.int64)
    with pytest.raises(ValueError, match=r"cross_entropy_backward: grad is \(4,\) but p is"):
        gpu.room.cross_entropy_backward(grad, x, three, -100, gpu.zeros(3, np.float32))
