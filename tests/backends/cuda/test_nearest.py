"""The nearest rows on the emulated GPU against the reference room, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.backends.reference.nearest import nearest as reference

METRICS = ["l1", "sqeuclidean"]
DTYPES = [np.float32, np.float64, np.uint8]
# Tile - 1, tile, tile + 1 on both sides, rows of whole and of broken words, k from 1 to all.
SHAPES = [
    (1, 1, 1, 1),
    (65, 63, 5, 7),
    (3, 130, 17, 5),
    (64, 65, 4, 65),
    (0, 3, 2, 2),
    (2, 9, 0, 3),
]
PARTED = (2, 900, 3, 9)  # four multiprocessors search y in three parts
# 33 tiles in 8 parts of 5: the seventh has three, the last none, and its lists are empty.
PARTED_UNEVENLY = (1, 33 * 64, 1, 2)


@pytest.fixture
def compare(gpu):
    def run(x, y, k, metric):
        got = [part.get() for part in gpu.room.nearest(gpu.asarray(x), gpu.asarray(y), k, metric)]
        want = reference(x, y, k, metric)
        for ours, theirs in zip(got, want, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{x.shape} {y.shape} {k}")

    return run


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest_rows_are_exact_on_integers(compare, schedule, rng, metric, dtype):
    for n, m, depth, k in [*SHAPES, PARTED, PARTED_UNEVENLY]:
        # A few values make many ties; bytes also take both ends of their range.
        values = np.array([0, 1, 2, 255] if dtype == np.uint8 else [0, 1, 2, -9], dtype)
        x, y = (rng.choice(values, (rows, depth)) for rows in (n, m))
        compare(x, y, k, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_lists_are_sorted(compare, rng, metric, dtype):
    compare(*(rng.integers(0, 3, (rows, 2)).astype(dtype) for rows in (4, 150)), 140, metric)


@pytest.mark.usefixtures("schedule")
def test_lists_longer_than_a_part_end_in_no_row(gpu):
    """Whatever memory held before: here zeros, which would be the nearest of all."""
    from tinygrad_cv.backends.cuda.launch import launch

    x, y = gpu.zeros((1, 1), np.float32), gpu.ones((65, 1), np.float32)
    distance, row = gpu.zeros((3, 2), np.float32), gpu.zeros((3, 2), np.int32)
    launch("nearest", "nearest_l1_f32", 2, x, y, distance, row, 1, 65, 1, 3, 2)
    np.testing.assert_array_equal(row.get(), [[0, 64], [1, -1], [2, -1]])


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_floats_are_the_pairwise_distances(gpu, rng, dtype):
    x, y = (rng.standard_normal((rows, 40)).astype(dtype) for rows in (70, 300))
    there = gpu.asarray(x), gpu.asarray(y)
    for metric in METRICS:
        d, index = gpu.room.nearest(*there, 4, metric)
        all_of_them = gpu.room.pairwise_distance(*there, metric).get()
        want = np.argsort(all_of_them, axis=1, kind="stable")[:, :4]
        np.testing.assert_array_equal(index.get(), want)
        np.testing.assert_array_equal(d.get(), np.take_along_axis(all_of_them, want, 1))


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("metric", METRICS)
def test_nan_is_infinitely_far(compare, metric, dtype):
    y = np.array([[np.nan], [5], [np.inf], [3], [np.nan], [4]], dtype)
    compare(np.zeros((2, 1), dtype), y, 6, metric)
    compare(np.zeros((2, 1), dtype), y, 4, metric)
    compare(np.array([[np.nan]], dtype), y, 3, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_sums_of_bytes_beyond_32_bits(compare, monkeypatch, metric):
    from tinygrad_cv.backends.cuda import nearest

    x, y = np.zeros((1, 8), np.uint8), np.full((3, 8), 255, np.uint8)
    y[1] = 254
    monkeypatch.setitem(nearest._LARGEST, metric, 2**30)  # as if sums of 8 did not fit
    compare(x, y, 2, metric)


def test_other_metrics_are_searched_on_the_cpu(compare, rng):
    x, y = rng.integers(0, 4, (2, 9, 3)).astype(np.float32)
    for metric in ("dot", "chebyshev", "hamming"):
        compare(x, y, 4, metric)


def test_parts_of_rows_and_progress(gpu, rng, monkeypatch):
    from tinygrad_cv.backends.cuda import nearest

    assert [nearest.plan_parts(n, 50_000, 132) for n in (1, 500, 10_000, 100_000)] == [
        195,
        33,
        1,
        1,
    ]
    monkeypatch.setattr(nearest, "_ROWS", 3)
    x, y = rng.integers(0, 9, (2, 8, 4)).astype(np.float64)
    done = []
    got = gpu.room.nearest(gpu.asarray(x), gpu.asarray(y), 2, "l1", 2.0, done.append)
    np.testing.assert_array_equal(got[1].get(), reference(x, y, 2, "l1")[1])
    assert done == [3, 3, 2]


def test_nearest_refuses(gpu):
    x = gpu.zeros((2, 3))
    with pytest.raises(ValueError, match="k must be 1 to 2, the rows of y, got 3"):
        gpu.room.nearest(x, x, 3, "l1")
    with pytest.raises(ValueError, match="x has rows of 3 elements but y of 2"):
        gpu.room.nearest(x, x[:, :2], 1, "l1")
    with pytest.raises(ValueError, match=r"metric must be one of .*, got 'l3'"):
        gpu.room.nearest(x, x, 1, "l3")
    with pytest.raises(TypeError, match="y must be a float64 array"):
        gpu.room.nearest(x, x.astype(np.float32), 1, "l1")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("dtype", DTYPES)
def test_estimators_search_on_the_device(rng, dtype):
    from standin import Cuda

    from tinygrad_cv.neighbors import KNeighborsClassifier

    rows, others = rng.integers(0, 9, (2, 40, 6)).astype(dtype)
    labels = rng.integers(0, 3, 40)
    here, there = (KNeighborsClassifier(3, device=d).fit(rows, labels) for d in ("cpu", "cuda"))
    before = Cuda.launches
    np.testing.assert_array_equal(there.predict(others), here.predict(others))
    assert Cuda.launches == before + 2
    for ours, theirs in zip(there.kneighbors(), here.kneighbors(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_estimators_name_a_device_that_there_is_not():
    from tinygrad_cv.neighbors import NearestNeighbors

    with pytest.raises(ValueError, match="expected 'cpu', 'cuda' or 'cuda:<number>', got 'tpu'"):
        NearestNeighbors(device="tpu").fit(np.ones((3, 2)))
