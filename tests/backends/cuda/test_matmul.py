"""Matrix products on the emulated GPU: every tile, split and layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DTYPES = [np.float32, np.float64]
# Around the tiles of 64 and 128 and their steps of 16 and 8, and primes.
SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129]
quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def integers(rng, shape, dtype):
    """Values whose products and sums are exact, so that every order of summing gives the same."""
    return rng.integers(-4, 5, shape).astype(dtype)


def laid_out(gpu, values, layout):
    """A device array of the same values that lies otherwise in memory."""
    rows, columns = values.shape[-2:]
    lead = values.shape[:-2]
    if layout == "transposed":
        out = gpu.empty((*lead, columns, rows), values.dtype).swapaxes(-1, -2)
    elif layout == "strided":
        out = gpu.full((*lead, 2 * rows, 3 * columns), np.nan, values.dtype)[..., ::2, ::3]
    elif layout == "reversed":
        out = gpu.full((*lead, rows, columns), np.nan, values.dtype)[..., ::-1, ::-1]
    else:
        out = gpu.empty(values.shape, values.dtype)
    out[...] = gpu.asarray(values)
    return out


def run(gpu, plan, a, b, bias=None, relu=False):
    """The product by a plan of the test's choice."""
    from tinygrad_cv.backends.cuda import matmul

    y = gpu.empty((1, 1, a.shape[0], b.shape[1]), a.dtype)
    up = [gpu.asarray(x) for x in (a, b)]
    bias = None if bias is None else gpu.asarray(bias)
    matmul.run(matmul.Plan(*plan), up[0][None, None], up[1][None, None], bias, relu, y)
    return y.get()[0, 0]


@pytest.mark.parametrize(("dtype", "tile"), [(np.float32, 64), (np.float32, 128), (np.float64, 64)])
@pytest.mark.parametrize("splits", [1, 3])
def test_every_tile_is_exact_on_integers(gpu, schedule, rng, dtype, tile, splits):
    for m, n, k in [(1, 1, 1), (64, 128, 16), (65, 63, 17), (129, 5, 100), (3, 130, 48)]:
        a, b = integers(rng, (m, k), dtype), integers(rng, (k, n), dtype)
        bias = integers(rng, n, dtype)
        want = a @ b
        np.testing.assert_array_equal(run(gpu, (tile, splits), a, b), want)
        want = np.maximum(want + bias, 0)
        np.testing.assert_array_equal(run(gpu, (tile, splits), a, b, bias, True), want)


@quick
@given(
    m=st.sampled_from(SIZES), n=st.sampled_from(SIZES), k=st.sampled_from([0, *SIZES, 700]),
    dtype=st.sampled_from(DTYPES), schedule=st.integers(0, 3), bias=st.booleans(),
    relu=st.booleans(), seed=st.integers(0, 2**32 - 1),
    layouts=st.tuples(*[st.sampled_from(["dense", "transposed", "strided", "reversed"])] * 2),
)  # fmt: skip
def test_products_are_within_their_bound(gpu, m, n, k, dtype, schedule, bias, relu, seed, layouts):
    from standin import Cuda

    Cuda.schedule = schedule
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    shift = rng.standard_normal(n).astype(dtype) if bias else None
    up = [laid_out(gpu, x, how) for x, how in zip((a, b), layouts, strict=True)]
    got = gpu.room.matmul(*up, None if shift is None else gpu.asarray(shift), relu)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    wide = a.astype(np.longdouble), b.astype(np.longdouble)
    want = wide[0] @ wide[1] + (0 if shift is None else shift)
    size = abs(wide[0]) @ abs(wide[1]) + (0 if shift is None else abs(shift))
    bound = (k + 2) * np.finfo(dtype).eps / 2 * size
    want = np.maximum(want, 0) if relu else want
    assert (abs(got.get() - want) <= bound).all()


@pytest.mark.parametrize(
    ("lead_a", "lead_b"),
    [((3,), (3,)), ((2, 1), (3,)), ((2, 3), ()), ((2, 1, 2), (3, 1)), ((0,), (1,)), ((1, 4), (4,))],
)
def test_batches_broadcast(gpu, schedule, rng, lead_a, lead_b):
    a, b = integers(rng, (*lead_a, 5, 6), np.float32), integers(rng, (*lead_b, 6, 7), np.float32)
    for layout in ("dense", "transposed"):
        got = gpu.room.matmul(laid_out(gpu, a, layout), laid_out(gpu, b, layout))
        np.testing.assert_array_equal(got.get(), a @ b)


def test_nan_and_infinity_go_through(gpu):
    a = np.array([[np.nan, 1.0], [np.inf, 0.0], [2.0, 3.0]], np.float32)
    b = np.eye(2, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        want = a @ b
    np.testing.assert_array_equal(gpu.room.matmul(gpu.asarray(a), gpu.asarray(b)).get(), want)
    relu = gpu.room.matmul(gpu.asarray(a), gpu.asarray(b), None, True).get()
    np.testing.assert_array_equal(relu, np.maximum(want, 0))


def test_plans(cupy):
    """The large tile where it fills the multiprocessors; long sums are split where tiles are few."""
    from tinygrad_cv.backends.cuda.matmul import Plan, plan_splits, plan_tile

    assert plan_tile(4096, 4096, 1, 4, 132) == Plan(128)
    assert plan_tile(1024, 1024, 1, 4, 132) == Plan(64)
    assert plan_tile(1024, 1024, 3, 4, 132) == Plan(128)
    assert plan_tile(4096, 4096, 1, 8, 132) == Plan(64)
    assert plan_splits(9, 100_000, 132) == 29
    assert plan_splits(9, 1000, 132) == 3
    assert plan_splits(9, 100, 132) == 1
    assert plan_splits(300, 100_000, 132) == 1


@pytest.mark.parametrize(
    ("error", "message", "shapes"),
    [
        (ValueError, r"matmul: shapes do not fit: a \(2, 3\), b \(4, 5\)", [(2, 3), (4, 5)]),
        (ValueError, r"b \(3, 5\), bias \(4,\)", [(2, 3), (3, 5), (4,)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(gpu, error, message, shapes):
    with pytest.raises(error, match=message):
        gpu.room.matmul(*(gpu.zeros(shape, np.float32) for shape in shapes))


def test_other_arrays_are_refused(gpu):
    up, down = gpu.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)
    with pytest.raises(TypeError, match="matmul: b must be a cupy array, got ndarray of float32"):
        gpu.room.matmul(up, down)
    with pytest.raises(TypeError, match="a must be a float32 or float64 array, got ndarray of int"):
        gpu.room.matmul(gpu.zeros((2, 2), np.int32), up)
    with pytest.raises(TypeError, match="b must be a float32 array, got ndarray of float64"):
        gpu.room.matmul(up, gpu.zeros((2, 2), np.float64))
