"""Distances between rows: the C++ room and the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.distance import pairwise_distance
from tinygrad_cv.backends.reference.distance import pairwise_distance as reference_distance

METRICS = ["l1", "sqeuclidean"]
# Around tiles of 2 and 4 rows, of 4 and 5 columns; around vectors of 2 to 64 elements; and primes.
COUNTS = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 23]
DEPTHS = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 523]

metrics = pytest.mark.parametrize("metric", METRICS)
rooms = pytest.mark.parametrize(
    "distance", [pairwise_distance, reference_distance], ids=["cpp", "reference"]
)


def exact(x, y, metric):
    """All differences at once, in integers or in the widest float."""
    wide = np.int64 if x.dtype == np.uint8 else np.longdouble
    difference = x[:, None].astype(wide) - y[None].astype(wide)
    return (abs(difference) if metric == "l1" else difference**2).sum(-1)


@pytest.fixture
def threads():
    """Sets the number of threads, and puts it back."""
    before = _core.get_num_threads()
    yield _core.set_num_threads
    _core.set_num_threads(before)


@metrics
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_distances_are_exact_on_integers(dtype, metric):
    rng = np.random.default_rng(1)
    high = 256 if dtype == np.uint8 else 9
    for n, m in [(1, 1), (3, 4), (4, 5), (9, 11), (40, 23)]:
        for depth in (0, 1, 17, 64, 65, 300, 3072):
            x = rng.integers(0, high, (n, depth)).astype(dtype)
            y = rng.integers(0, high, (m, depth)).astype(dtype)
            got = pairwise_distance(x, y, metric)
            np.testing.assert_array_equal(got, exact(x, y, metric), err_msg=f"{n} {m} {depth}")
            assert got.dtype == (np.int64 if dtype == np.uint8 else dtype)


@metrics
@settings(deadline=None)
@given(
    n=st.sampled_from(COUNTS), m=st.sampled_from(COUNTS), depth=st.sampled_from(DEPTHS),
    dtype=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_distances_are_within_their_bound(metric, n, m, depth, dtype, seed):
    rng = np.random.default_rng(seed)
    x, y = (
        rng.standard_normal((n, depth)).astype(dtype),
        rng.standard_normal((m, depth)).astype(dtype),
    )
    want = exact(x, y, metric)
    bound = (depth + 2) * np.finfo(dtype).eps * want
    assert (abs(pairwise_distance(x, y, metric) - want) <= bound).all()


@metrics
@settings(deadline=None)
@given(
    n=st.sampled_from(COUNTS), m=st.sampled_from(COUNTS), depth=st.sampled_from(DEPTHS),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@example(n=1, m=1, depth=200_003, seed=0)
def test_byte_distances_are_exact(metric, n, m, depth, seed):
    rng = np.random.default_rng(seed)
    # Extremes often: they are what could overflow.
    x, y = (rng.choice([0, 1, 128, 254, 255], (rows, depth)).astype(np.uint8) for rows in (n, m))
    np.testing.assert_array_equal(pairwise_distance(x, y, metric), exact(x, y, metric))


@metrics
def test_long_rows_of_extremes_do_not_overflow(metric):
    depth = 2_200_001  # past what 32-bit sums of any instruction set hold
    low, high = np.zeros((1, depth), np.uint8), np.full((2, depth), 255, np.uint8)
    each = 255 if metric == "l1" else 255**2
    np.testing.assert_array_equal(pairwise_distance(low, high, metric), [[depth * each] * 2])
    np.testing.assert_array_equal(pairwise_distance(high, high, metric), [[0, 0], [0, 0]])


def test_near_rows_keep_their_distance():
    # Norms minus twice the product would give 0 or noise here.
    x = np.full((1, 3000), 1000, np.float32)
    y = x + np.float32(2**-10)
    np.testing.assert_array_equal(pairwise_distance(x, y, "sqeuclidean"), [[3000 * 2.0**-20]])


@metrics
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_bits_do_not_depend_on_threads(dtype, metric, threads):
    rng = np.random.default_rng(2)
    x, y = (rng.uniform(0, 255, (rows, 777)).astype(dtype) for rows in (90, 101))
    threads(1)
    one = pairwise_distance(x, y, metric)
    transposed = pairwise_distance(y, x, metric)
    for count in (2, 3, 7):
        threads(count)
        np.testing.assert_array_equal(pairwise_distance(x, y, metric), one)
        np.testing.assert_array_equal(pairwise_distance(y, x, metric), transposed)


@metrics
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_blocks_of_many_rows(dtype, metric):
    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, 99, (rows, 70)).astype(dtype) for rows in (7, 9000))
    np.testing.assert_array_equal(pairwise_distance(x, y, metric), exact(x, y, metric))


@metrics
def test_rows_that_are_not_dense_are_copied(metric):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 9, (30, 14)).astype(np.float64).T[::2]
    y = np.ndarray((5, 30), np.float64, np.empty(1201, np.uint8)[1:].data)
    y[...] = rng.integers(0, 9, y.shape)
    np.testing.assert_array_equal(pairwise_distance(x, y, metric), exact(x, y, metric))


@rooms
def test_values_worked_by_hand(distance):
    x, y = np.array([[0, 255], [7, 3]], np.uint8), np.array([[255, 0], [7, 3], [6, 5]], np.uint8)
    np.testing.assert_array_equal(distance(x, y, "l1"), [[510, 259, 256], [251, 0, 3]])
    np.testing.assert_array_equal(
        distance(x.astype(np.float32), y.astype(np.float32), "sqeuclidean"),
        [[130050, 63553, 62536], [61513, 0, 5]],
    )
    assert distance(x, y, "sqeuclidean").dtype == np.int64


@rooms
@metrics
def test_nan_and_infinity_go_through(distance, metric):
    x = np.array([[np.nan, 1], [np.inf, 1], [2, 1]], np.float32)
    got = distance(x, np.ones((1, 2), np.float32), metric)
    np.testing.assert_array_equal(got, np.array([[np.nan], [np.inf], [1]], np.float32))


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "x has rows of 3 elements but y of 4", (np.zeros((2, 3)), np.zeros((2, 4)), "l1")),
        (ValueError, "metric must be 'l1' or 'sqeuclidean', got 'l2'", (np.zeros((2, 3)), np.zeros((2, 3)), "l2")),
        (TypeError, "y must be a float64 array, got ndarray of float32", (np.zeros((2, 3)), np.zeros((2, 3), "f"), "l1")),
        (TypeError, "x must be a float32 array, got ndarray of int32", (np.zeros((2, 3), "i"), np.zeros((2, 3)), "l1")),
        (ValueError, "x must be a C-contiguous, aligned array with 2 dimensions", (np.zeros(3), np.zeros((2, 3)), "l1")),
    ],
)  # fmt: skip
def test_distance_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        pairwise_distance(*arguments)


def test_the_reference_refuses_an_unknown_metric():
    with pytest.raises(ValueError, match="metric must be 'l1' or 'sqeuclidean', got 'cosine'"):
        reference_distance(np.zeros((1, 1)), np.zeros((1, 1)), "cosine")
