"""Distances on the emulated GPU."""

from __future__ import annotations

import numpy as np
import pytest

METRICS = ["l1", "sqeuclidean"]
SHAPES = [(1, 1, 1), (3, 4, 17), (64, 65, 16), (65, 63, 33), (2, 130, 300), (5, 6, 0), (0, 3, 2)]


def exact(x, y, metric):
    """All differences at once, in integers or in the widest float."""
    wide = np.int64 if x.dtype == np.uint8 else np.longdouble
    difference = x[:, None].astype(wide) - y[None].astype(wide)
    return (abs(difference) if metric == "l1" else difference**2).sum(-1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_distances_are_exact_on_integers(gpu, schedule, rng, metric, dtype):
    high = 256 if dtype == np.uint8 else 9
    for n, m, depth in SHAPES:
        x, y = (rng.integers(0, high, (rows, depth)).astype(dtype) for rows in (n, m))
        got = gpu.room.pairwise_distance(gpu.asarray(x), gpu.asarray(y), metric)
        assert got.dtype == (np.int64 if dtype == np.uint8 else dtype)
        np.testing.assert_array_equal(got.get(), exact(x, y, metric), err_msg=f"{n} {m} {depth}")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_are_within_their_bound(gpu, schedule, rng, metric, dtype):
    for n, m, depth in SHAPES:
        x, y = (rng.standard_normal((rows, depth)).astype(dtype) for rows in (n, m))
        want = exact(x, y, metric)
        got = gpu.room.pairwise_distance(gpu.asarray(x), gpu.asarray(y), metric).get()
        assert (abs(got - want) <= (depth + 2) * np.finfo(dtype).eps * want).all()


@pytest.mark.parametrize("metric", METRICS)
def test_long_rows_of_extremes_do_not_overflow(gpu, metric):
    depth = 70_001  # 255^2 of them are past 32 bits
    low, high = gpu.zeros((1, depth), np.uint8), gpu.full((2, depth), 255, np.uint8)
    each = 255 if metric == "l1" else 255**2
    got = gpu.room.pairwise_distance(low, high, metric).get()
    np.testing.assert_array_equal(got, [[depth * each] * 2])


@pytest.mark.parametrize("metric", METRICS)
def test_nan_and_infinity_go_through(gpu, metric):
    x = gpu.asarray(np.array([[np.nan, 1], [np.inf, 1], [2, 1]], np.float32))
    got = gpu.room.pairwise_distance(x, gpu.ones((1, 2), np.float32), metric).get()
    np.testing.assert_array_equal(got, np.array([[np.nan], [np.inf], [1]], np.float32))


def test_distance_refuses(gpu):
    x, y = gpu.zeros((2, 3), np.float32), gpu.zeros((2, 4), np.float32)
    with pytest.raises(ValueError, match="x has rows of 3 elements but y of 4"):
        gpu.room.pairwise_distance(x, y, "l1")
    with pytest.raises(ValueError, match="metric must be 'l1' or 'sqeuclidean', got 'l2'"):
        gpu.room.pairwise_distance(x, x, "l2")
    with pytest.raises(TypeError, match="y must be a float32 array, got ndarray of float64"):
        gpu.room.pairwise_distance(x, gpu.zeros((2, 3), np.float64), "l1")
