"""Every room fulfils the contract: the same calls, held to loops and numbers worked by hand."""

from __future__ import annotations

import inspect
import threading
from itertools import product

import numpy as np
import pytest

from tinygrad_cv import backends
from tinygrad_cv.backends.contract import Backend, Conv2dSettings, Pool2dSettings

ROOMS = ["reference", "cpp", "cuda"]
DTYPES = [np.float32, np.float64]
FUNCTIONS = sorted(name for name in vars(Backend) if not name.startswith("_"))

SLIDE = Conv2dSettings((2, 1), (1, 2), (1, 2), 2)  # every setting differs in its two directions
POOL = Pool2dSettings((3, 2), (2, 1), (1, 1))


@pytest.fixture(params=ROOMS)
def room(request):
    if request.param == "cuda":
        cupy = request.getfixturevalue("cupy")
        from standin import HostRoom

        yield HostRoom(backends.backend_for(cupy.empty(1)), cupy)
        return
    with backends.use_backend(request.param):
        yield backends.backend_for(np.zeros(1))


def integers(*shape, dtype=np.float32, most=5):
    """Small whole numbers, whose sums are exact in any order; other ones for every shape."""
    return np.random.default_rng(shape).integers(-most, most + 1, shape).astype(dtype)


def conv_terms(x_shape, w_shape, settings):
    """(n, o, p, q), (n, c, r, s), (o, c', i, j) for every product that y[n, o, p, q] sums."""
    n, _, h, w = x_shape
    o, per_group, *kernel = w_shape
    out = settings.output_size((h, w), kernel)
    for image, k, p, q in product(range(n), range(o), *map(range, out)):
        first = k // (o // settings.groups) * per_group
        for channel, i, j in product(range(per_group), *map(range, kernel)):
            r = p * settings.stride[0] - settings.padding[0] + i * settings.dilation[0]
            s = q * settings.stride[1] - settings.padding[1] + j * settings.dilation[1]
            if 0 <= r < h and 0 <= s < w:
                yield (image, k, p, q), (image, first + channel, r, s), (k, channel, i, j)


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolutions_are_exact(room, dtype):
    x, w = integers(2, 4, 6, 7, dtype=dtype), integers(6, 2, 3, 2, dtype=dtype)
    bias = integers(6, dtype=dtype)
    y = np.zeros((2, 6, *SLIDE.output_size((6, 7), (3, 2))), dtype)
    grad = integers(*y.shape, dtype=dtype)
    gx, gw = np.zeros_like(x), np.zeros_like(w)
    for at_y, at_x, at_w in conv_terms(x.shape, w.shape, SLIDE):
        y[at_y] += x[at_x] * w[at_w]
        gx[at_x] += grad[at_y] * w[at_w]
        gw[at_w] += grad[at_y] * x[at_x]
    np.testing.assert_array_equal(room.conv2d(x, w, None, SLIDE), y)
    y += bias[:, None, None]
    np.testing.assert_array_equal(room.conv2d(x, w, bias, SLIDE), y)
    np.testing.assert_array_equal(room.conv2d(x, w, bias, SLIDE, True), np.maximum(y, 0))
    np.testing.assert_array_equal(room.conv2d_backward_input(grad, w, (6, 7), SLIDE), gx)
    np.testing.assert_array_equal(room.conv2d_backward_weight(x, grad, (3, 2), SLIDE), gw)


def pool_terms(x_shape, settings):
    """(n, c, p, q), (n, c, r, s), tap for every tap of a window that lies in the input."""
    *planes, h, w = x_shape
    for n, c, p, q in product(*map(range, (*planes, *settings.output_size((h, w))))):
        for i, j in product(*map(range, settings.kernel)):
            r = p * settings.stride[0] - settings.padding[0] + i
            s = q * settings.stride[1] - settings.padding[1] + j
            if 0 <= r < h and 0 <= s < w:
                yield (n, c, p, q), (n, c, r, s), i * settings.kernel[1] + j


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pooling_is_exact(room, dtype):
    x = integers(2, 3, 7, 6, dtype=dtype)
    y = np.full((2, 3, *POOL.output_size((7, 6))), -np.inf, dtype)
    argmax, grad, gx = np.zeros(y.shape, int), integers(*y.shape, dtype=dtype), np.zeros_like(x)
    winner = {}
    for at_y, at_x, tap in pool_terms(x.shape, POOL):
        if x[at_x] > y[at_y]:
            y[at_y], argmax[at_y], winner[at_y] = x[at_x], tap, at_x
    for at_y, at_x in winner.items():
        gx[at_x] += grad[at_y]
    ours, where = room.max_pool2d(x, POOL)
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_array_equal(where, argmax)
    assert where.dtype == np.uint8
    np.testing.assert_array_equal(room.max_pool2d_backward(grad, where, (7, 6), POOL), gx)
    np.testing.assert_array_equal(room.max_pool2d_gather(x, where, POOL), y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_average_pooling_is_exact(room, dtype):
    how = POOL._replace(divisor=4)
    x = integers(2, 3, 7, 6, dtype=dtype)
    y = np.zeros((2, 3, *how.output_size((7, 6))), dtype)
    grad, gx = integers(*y.shape, dtype=dtype), np.zeros_like(x)
    for at_y, at_x, _ in pool_terms(x.shape, how):
        y[at_y] += x[at_x] / 4
        gx[at_x] += grad[at_y] / 4
    np.testing.assert_array_equal(room.avg_pool2d(x, how), y)
    np.testing.assert_array_equal(room.avg_pool2d_backward(grad, (7, 6), how), gx)


@pytest.mark.parametrize(("include_pad", "want"), [(True, [2, 4]), (False, [4, 4])])
def test_average_pooling_counts_the_padding_or_not(room, include_pad, want):
    how = Pool2dSettings((1, 2), (1, 2), (0, 1), count_include_pad=include_pad)
    y = room.avg_pool2d(np.array([[[[4.0, 0, 8]]]], np.float32), how)
    np.testing.assert_array_equal(y, [[[want]]])


def test_average_pooling_does_not_count_what_hangs_over_the_edge(room):
    how = Pool2dSettings((1, 2), (1, 2), (0, 0), ceil_mode=True)
    y = room.avg_pool2d(np.array([[[[2.0, 4, 6]]]], np.float32), how)
    np.testing.assert_array_equal(y, [[[[3, 6]]]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_norm_pooling_is_exact_for_squares(room, dtype):
    """(3, 4) has the norm 5; a window that hangs over counts as if it were whole."""
    how = Pool2dSettings((1, 2), (1, 2), (0, 0), ceil_mode=True)
    x = np.array([[[[3, 4, 0, 0, 8]], [[-12, 5, 6, -8, 0]]]], dtype)
    y = np.array([[[[5, 0, np.sqrt(dtype(128))]], [[13, 10, 0]]]], dtype)
    np.testing.assert_array_equal(room.lp_pool2d(x, 2, how), y)
    grad = np.array([[[[10, 7, 0]], [[26, -5, 3]]]], dtype)
    gx = room.lp_pool2d_backward(grad, x, y, 2, how)
    np.testing.assert_array_equal(gx, [[[[6, 8, 0, 0, 0]], [[-24, 10, -3, 4, 0]]]])
    ones = room.lp_pool2d(x, 1, how)
    np.testing.assert_array_equal(ones, [[[[7, 0, 16]], [[-7, -2, 0]]]])
    np.testing.assert_array_equal(
        room.lp_pool2d_backward(grad, x, ones, 1, how)[0, 1, 0], [26, 26, -5, -5, 0]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_adaptive_pooling_is_exact(room, dtype):
    """Rows 0-2 and 2-4 of 5; columns 0-1, 1-2 and 2-3 of 4: they overlap."""
    rows, columns = [slice(0, 3), slice(2, 5)], [slice(0, 2), slice(1, 3), slice(2, 4)]
    x = integers(2, 3, 5, 4, dtype=dtype) * 6
    y, best = np.empty((2, 3, 2, 3), dtype), np.empty((2, 3, 2, 3), dtype)
    grad = integers(*y.shape, dtype=dtype) * 6
    average, largest = np.zeros_like(x), np.zeros_like(x)
    places = np.empty(y.shape, np.int32)
    for n, c, p, q in np.ndindex(*y.shape):
        window = x[n, c, rows[p], columns[q]]
        y[n, c, p, q], best[n, c, p, q] = window.sum() / 6, window.max()
        average[n, c, rows[p], columns[q]] += grad[n, c, p, q] / 6
        i, j = np.argwhere(window == window.max())[0] + [rows[p].start, columns[q].start]
        places[n, c, p, q] = i * 4 + j
        largest[n, c, i, j] += grad[n, c, p, q]
    np.testing.assert_array_equal(room.adaptive_avg_pool2d(x, (2, 3)), y)
    np.testing.assert_array_equal(room.adaptive_avg_pool2d_backward(grad, (5, 4)), average)
    got, where = room.adaptive_max_pool2d(x, (2, 3))
    np.testing.assert_array_equal(got, best)
    np.testing.assert_array_equal(where, places)
    assert where.dtype == np.int32
    gx = room.adaptive_max_pool2d_backward(grad, where, (5, 4))
    np.testing.assert_array_equal(gx, largest)
    np.testing.assert_array_equal(room.adaptive_max_pool2d_gather(x, where), best)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matrix_products_are_exact(room, dtype):
    a, b = integers(5, 7, dtype=dtype), integers(7, 9, dtype=dtype)
    bias = integers(9, dtype=dtype)
    want = [[sum(a[i, k] * b[k, j] for k in range(7)) for j in range(9)] for i in range(5)]
    np.testing.assert_array_equal(room.matmul(a, b), want)
    np.testing.assert_array_equal(room.matmul(a, b, bias), want + bias)
    np.testing.assert_array_equal(room.matmul(a, b, bias, True), np.maximum(want + bias, 0))
    np.testing.assert_array_equal(room.matmul(a.T.copy().T, b.T.copy().T), want)
    batch = np.stack([a, 2 * a])[:, None]
    np.testing.assert_array_equal(room.matmul(batch, np.stack([b, -b, b])).shape, (2, 3, 5, 9))
    np.testing.assert_array_equal(
        room.matmul(batch, np.stack([b, -b, b]))[1, 1], -2 * np.array(want)
    )


@pytest.mark.parametrize("dtype", [np.uint8, *DTYPES])
@pytest.mark.parametrize("metric", ["l1", "sqeuclidean"])
def test_distances_are_exact(room, metric, dtype):
    x, y = np.abs(integers(4, 33)).astype(dtype), np.abs(integers(6, 33)).astype(dtype)
    power = {"l1": 1, "sqeuclidean": 2}[metric]
    want = [[sum(abs(float(s) - float(t)) ** power for s, t in zip(a, b, strict=True)) for b in y]
            for a in x]  # fmt: skip
    got = room.pairwise_distance(x, y, metric)
    assert got.dtype == (np.int64 if dtype == np.uint8 else dtype)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rooms_have_every_function_with_the_contracts_parameters(room, function):
    wanted = list(inspect.signature(getattr(Backend, function)).parameters)[1:]
    assert list(inspect.signature(getattr(room, function)).parameters) == wanted


def test_a_function_that_no_room_has_is_named(room):
    with pytest.raises(AttributeError, match=f"the '{room.name}' room has no function 'conv9d'"):
        room.conv9d  # noqa: B018


# ---- which room ----


def chosen() -> str:
    return backends.backend_for(np.zeros(1)).name


def test_cpp_is_the_default():
    assert chosen() == "cpp"


def test_use_backend_holds_for_a_block_and_nests():
    with backends.use_backend("reference"):
        assert chosen() == "reference"
        with backends.use_backend("cpp"):
            assert chosen() == "cpp"
        assert chosen() == "reference"
    assert chosen() == "cpp"


def test_use_backend_ends_with_its_block_when_an_error_leaves_it():
    with pytest.raises(ZeroDivisionError), backends.use_backend("reference"):
        1 / 0  # noqa: B018
    assert chosen() == "cpp"


def test_use_backend_as_a_function_holds_until_the_next():
    backends.use_backend("reference")
    try:
        assert chosen() == "reference"
    finally:
        backends.use_backend("cpp")
    assert chosen() == "cpp"


def test_use_backend_is_each_threads_own():
    seen = []
    with backends.use_backend("reference"):
        thread = threading.Thread(target=lambda: seen.append(chosen()))
        thread.start()
        thread.join()
    assert seen == ["cpp"]


def test_an_unknown_room_is_refused():
    with pytest.raises(ValueError, match="use_backend: name must be 'cpp' or 'reference', got 'c'"):
        backends.use_backend("c")


def test_arrays_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match=r"must be a numpy\.ndarray, got builtins\.list"):
        backends.backend_for([1.0])


def test_subclasses_of_arrays_are_arrays():
    assert backends.backend_for(np.ma.masked_array([1.0])).name == "cpp"


# ---- precision ----


def test_float32_precision_is_kept_and_checked():
    assert backends.get_float32_precision() == "fast"
    backends.set_float32_precision("exact")
    try:
        assert backends.get_float32_precision() == "exact"
        with pytest.raises(ValueError, match="precision must be 'fast' or 'exact', got 'slow'"):
            backends.set_float32_precision("slow")
        assert backends.get_float32_precision() == "exact"
    finally:
        backends.set_float32_precision("fast")
