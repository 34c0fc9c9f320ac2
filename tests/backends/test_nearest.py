"""The nearest rows: every room and form against brute force, ties to the lower index included."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp.distance import pairwise_distance
from tinygrad_cv.backends.cpp.nearest import nearest
from tinygrad_cv.backends.reference.nearest import nearest as reference_nearest

METRICS = ["l1", "sqeuclidean", "dot", "cosine", "chebyshev", "hamming", "minkowski"]
INTEGER_METRICS = ["l1", "sqeuclidean", "dot", "chebyshev", "hamming"]
DTYPES = [np.uint8, np.float32, np.float64]
# Around vectors of 16, 32 and 64 bytes, and beyond the length from which rows are rounded.
DEPTHS = [1, 3, 15, 16, 17, 31, 33, 63, 64, 65, 129, 300]

rooms = pytest.mark.parametrize("search", [nearest, reference_nearest], ids=["cpp", "reference"])
metrics = pytest.mark.parametrize("metric", METRICS)


def brute_force(x, y, k, metric, p=2.0):
    """All distances in float64 from the definition, then sorted by distance and index."""
    a, b = x[:, None].astype(np.float64), y[None].astype(np.float64)
    if metric == "hamming":
        d = (a != b).mean(-1)
    elif metric in ("dot", "cosine"):
        d = -(a * b).sum(-1)
        if metric == "cosine":
            norms = np.sqrt((a * a).sum(-1)) * np.sqrt((b * b).sum(-1))
            d = np.where(norms == 0, 1, 1 + d / np.where(norms == 0, 1, norms))
    elif metric == "chebyshev":
        d = abs(a - b).max(-1)
    else:
        d = (abs(a - b) ** {"l1": 1, "sqeuclidean": 2, "minkowski": p}[metric]).sum(-1)
    order = np.argsort(d, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(d, order, 1), order


@pytest.fixture
def threads():
    """Sets the number of threads, and puts it back."""
    before = _core.get_num_threads()
    yield _core.set_num_threads
    _core.set_num_threads(before)


@st.composite
def cases(draw, dtypes=DTYPES):
    """Small whole numbers, so that sums are exact and ties abound; k from 1 to all rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(0, 40)), draw(st.integers(1, 120))
    depth, dtype = draw(st.sampled_from(DEPTHS)), draw(st.sampled_from(dtypes))
    high = draw(st.sampled_from([2, 4, 200]))
    x, y = (rng.integers(0, high, (rows, depth)).astype(dtype) for rows in (n, m))
    return x, y, draw(st.integers(1, m))


@rooms
@pytest.mark.parametrize("metric", INTEGER_METRICS)
@given(case=cases())
def test_nearest_rows_are_exact_on_integers(search, metric, case):
    x, y, k = case
    want_d, want = brute_force(x, y, k, metric)
    d, index = search(x, y, k, metric)
    np.testing.assert_array_equal(index, want)
    if metric == "hamming":
        np.testing.assert_allclose(d, want_d, rtol=1e-6)
    else:
        np.testing.assert_array_equal(d, want_d)
    assert d.dtype == (np.float64 if x.dtype == np.uint8 else x.dtype)
    assert index.dtype == np.int64


@given(case=cases([np.float32, np.float64]), metric=st.sampled_from(["l1", "sqeuclidean"]))
def test_rounded_rows_give_exact_results_on_integers(case, metric):
    x, y, k = case
    assume(y.size > 1)
    y[0, 0], y[-1, -1] = 200, 0  # rounding needs a range
    d, index = _core.nearest(x, y, k, metric, form="bytes")
    want_d, want = brute_force(x, y, k, metric)
    np.testing.assert_array_equal(index, want)
    np.testing.assert_array_equal(d, want_d)


@pytest.mark.parametrize("metric", ["l1", "sqeuclidean"])
@given(
    seed=st.integers(0, 2**32 - 1), depth=st.sampled_from([64, 65, 100, 300]),
    dtype=st.sampled_from([np.float32, np.float64]), k=st.sampled_from([1, 5, 40]),
    spread=st.sampled_from(["normal", "offset", "outliers", "sparse", "scaled"]),
)  # fmt: skip
@example(seed=1, depth=300, dtype=np.float32, k=1, spread="offset")
def test_rounded_rows_choose_as_the_sums_themselves_do(metric, seed, depth, dtype, k, spread):
    """To the bit, whatever the range: what rounding cannot tell apart is summed."""
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((rows, depth)) for rows in (35, 400))
    if spread == "offset":
        x, y = x + 1e4, y + 1e4
    elif spread == "outliers":
        y[::7] *= 1e3
        x[::5] *= 1e4
    elif spread == "sparse":
        x, y = x * (x > 1.5), y * (y > 1.5)
    elif spread == "scaled":
        x, y = x * 1e-6, y * 1e-6
    y[200:300] = y[:100]  # duplicates: ties
    x, y = x.astype(dtype), y.astype(dtype)
    all_of_them = pairwise_distance(x, y, metric)
    want = np.argsort(all_of_them, axis=1, kind="stable")[:, :k]
    d, index = _core.nearest(x, y, k, metric, form="bytes")
    np.testing.assert_array_equal(index, want)
    np.testing.assert_array_equal(d, np.take_along_axis(all_of_them, want, 1))


@rooms
@pytest.mark.parametrize(("metric", "p"), [("cosine", 2.0), ("minkowski", 3.0), ("minkowski", 0.5)])
@given(seed=st.integers(0, 2**32 - 1), depth=st.sampled_from(DEPTHS), dtype=st.sampled_from(DTYPES))
def test_metrics_with_roots_agree_with_brute_force(search, metric, p, seed, depth, dtype):
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, 256, (rows, depth)).astype(dtype) for rows in (9, 40))
    x[0] = 0
    d, index = search(x, y, 7, metric, p)
    want_d, _ = brute_force(x, y, 40, metric, p)
    tolerance = 3e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(d, want_d[:, :7], rtol=tolerance, atol=tolerance)
    every = brute_force(x, y, 40, metric, p)
    by_row = np.empty_like(every[0])
    np.put_along_axis(by_row, every[1], every[0], 1)
    np.testing.assert_allclose(
        np.take_along_axis(by_row, index, 1), d, rtol=tolerance, atol=tolerance
    )


@rooms
@metrics
@pytest.mark.parametrize("dtype", DTYPES)
def test_equally_far_rows_come_in_the_order_of_their_indices(search, metric, dtype):
    y = np.tile(np.arange(1, 65, dtype=dtype), (9, 1))
    d, index = search(y[:3], y, 4, metric)
    np.testing.assert_array_equal(index, np.tile(np.arange(4), (3, 1)))
    assert (d == d[0, 0]).all()


@metrics
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 100])
def test_bits_do_not_depend_on_threads(metric, dtype, n, threads):
    rng = np.random.default_rng(2)
    x, y = (rng.uniform(0, 255, (rows, 97)).astype(dtype) for rows in (n, 301))
    y[150:] = y[:151]
    threads(1)
    one = nearest(x, y, 12, metric)
    for count in (2, 3, 7):
        threads(count)
        for got, want in zip(nearest(x, y, 12, metric), one, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("metric", ["l1", "sqeuclidean"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_pass_through_several_slabs(metric, dtype):
    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, 256, (rows, 700)).astype(dtype) for rows in (40, 9000))
    want = np.argsort(pairwise_distance(x, y, metric), axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(nearest(x, y, 3, metric)[1], want)


@rooms
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", [m for m in METRICS if m != "hamming"])
def test_nan_counts_as_infinitely_far(search, metric, dtype):
    y = np.arange(12, dtype=dtype).reshape(4, 3) + 1
    y[1, 2] = np.nan
    d, index = search(y[:1], y, 4, metric)
    assert index[0, 3] == 1
    assert d[0, 3] == np.inf
    assert np.isfinite(d[0, :3]).all()


def test_nan_and_infinity_among_rows_that_are_rounded():
    rng = np.random.default_rng(5)
    x, y = (rng.standard_normal((rows, 80)).astype(np.float32) for rows in (40, 900))
    y[3, 7], y[500, 0], x[2, 2] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        all_of_them = pairwise_distance(x, y, "sqeuclidean")
    all_of_them[np.isnan(all_of_them)] = np.inf
    want = np.argsort(all_of_them, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(nearest(x, y, 3, "sqeuclidean")[1], want)


def test_the_plan_says_how_it_searches():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((5000, 100)).astype(np.float32)
    plans = {
        "bytes": _core.nearest_plan(y[:50], y, 5, "l1"),
        "tiles": _core.nearest_plan(y[:50], y, 5, "cosine"),
        "single": _core.nearest_plan(y[:50], y, 5, "chebyshev"),
    }
    assert {form: plan["form"] for form, plan in plans.items()} == {form: form for form in plans}
    few = _core.nearest_plan(y[:2, :8].copy(), y[:, :8].copy(), 5, "l1")
    assert few["form"] == "tiles"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("metric", ["l1", "sqeuclidean"])
def test_memory_stays_far_under_the_matrix_of_distances(dtype, metric):
    """20,000 x 8,000 distances would be 640 MB or more."""
    rng = np.random.default_rng(7)
    x, y = (rng.integers(0, 256, (rows, 16)).astype(dtype) for rows in (20_000, 8_000))
    _core.pool_release()
    before = _core.pool_stats()["in_use"]
    tracemalloc.start()
    kept = nearest(x, y, 1, metric)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The pool keeps blocks for reuse: what was ever taken is either in use or cached.
    stats = _core.pool_stats()
    assert peak + stats["in_use"] + stats["cached"] - before < 64 << 20
    assert kept[1].shape == (20_000, 1)


def test_progress_counts_the_rows():
    rng = np.random.default_rng(8)
    x = rng.integers(0, 256, (300, 40)).astype(np.uint8)
    for search, metric in [(nearest, "chebyshev"), (nearest, "l1"), (reference_nearest, "l1")]:
        seen = []
        search(x, x[:50], 2, metric, progress=seen.append)
        assert sum(seen) == 300
        assert min(seen) > 0


def test_other_python_threads_run_meanwhile():
    rng = np.random.default_rng(9)
    x, y = (rng.integers(0, 256, (rows, 3072)).astype(np.uint8) for rows in (600, 6000))
    started, done, ticks = threading.Event(), threading.Event(), [0]

    def search():
        started.set()
        nearest(x, y, 1, "l1")
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    started.wait()
    while not done.is_set():
        ticks[0] += 1
    thread.join()
    assert ticks[0] > 100


@rooms
def test_values_worked_by_hand(search):
    x = np.array([[56, 32, 10, 18, 90, 23, 128, 133, 24, 26, 178, 200, 2, 0, 255, 220]], np.uint8)
    y = np.array([[10, 20, 24, 17, 8, 10, 89, 100, 12, 16, 178, 170, 4, 32, 233, 112]], np.uint8)
    assert search(x, y, 1, "l1")[0].tolist() == [[456.0]]
    assert search(x, y, 1, "hamming")[0].tolist() == [[15 / 16]]
    assert search(x, y, 1, "chebyshev")[0].tolist() == [[108.0]]


@rooms
@pytest.mark.parametrize("n", [0, 2])
def test_no_rows_or_no_elements(search, n):
    d, index = search(np.zeros((n, 0), np.float32), np.zeros((3, 0), np.float32), 2, "l1")
    np.testing.assert_array_equal(d, np.zeros((n, 2)))
    np.testing.assert_array_equal(index, np.tile([0, 1], (n, 1)))


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "x has rows of 3 elements but y of 4", (np.zeros((2, 3)), np.zeros((2, 4)), 1, "l1")),
        (ValueError, "k must be 1 to 2, the rows of y, got 3", (np.zeros((2, 3)), np.zeros((2, 3)), 3, "l1")),
        (ValueError, "k must be 1 to 0, the rows of y, got 1", (np.zeros((2, 3)), np.zeros((0, 3)), 1, "l1")),
        (ValueError, "metric must be one of l1, .*got 'l2'", (np.zeros((2, 3)), np.zeros((2, 3)), 1, "l2")),
        (ValueError, "p must be above 0, got -1", (np.zeros((2, 3)), np.zeros((2, 3)), 1, "minkowski", -1.0)),
        (TypeError, "y must be a float64 array, got ndarray of float32", (np.zeros((2, 3)), np.zeros((2, 3), "f"), 1, "l1")),
    ],
)  # fmt: skip
def test_nearest_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        nearest(*arguments)


@pytest.mark.parametrize(
    ("message", "k", "metric", "p"),
    [
        ("metric must be one of l1, .*got 'l2'", 1, "l2", 2.0),
        ("k must be 1 to 3, the rows of y, got 4", 4, "l1", 2.0),
        ("p must be above 0, got 0", 1, "minkowski", 0.0),
    ],
)
def test_the_reference_refuses(message, k, metric, p):
    with pytest.raises(ValueError, match=message):
        reference_nearest(np.zeros((3, 2)), np.zeros((3, 2)), k, metric, p)


@pytest.mark.parametrize(
    ("form", "metric", "message"),
    [
        ("bytes", "cosine", "form bytes does not fit: only l1 and sqeuclidean can be bounded"),
        ("single", "l1", "form single does not fit: metrics of sums have tiles"),
        ("tiles", "hamming", "form tiles does not fit: this metric goes pair by pair"),
        ("trees", "l1", "form must be bytes, tiles or single, got 'trees'"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(form, metric, message):
    with pytest.raises(ValueError, match=message):
        _core.nearest(np.zeros((2, 3)), np.zeros((2, 3)), 1, metric, form=form)
