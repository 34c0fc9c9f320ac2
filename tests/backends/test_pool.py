"""Pooling kernels against the reference room, and the reference against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.backends.cpp import pool as cpp
from tinygrad_cv.backends.reference import pool as reference

DTYPES = [np.float32, np.float64]
# Fewer planes than half a vector has lanes, and more than a vector: lanes run along those.
BATCHES = [(2, 3), (1, 19)]
PLANES = st.sampled_from([0, 1, 3, 5, 16, 17, 19])
TWO = Pool2dSettings((2, 2), (2, 2), (0, 0))
THREE = Pool2dSettings((3, 3), (2, 2), (1, 1))

# Every form of the kernels: 2x2 and 3x3 with stride 2, strides 1, 2 and larger, borders, windows that
# hang over, more than 256 taps, one window for a plane, rows below, at and above a vector's lanes.
FORMS = [
    (TWO, (8, 8)),
    (TWO, (7, 65)),
    (TWO._replace(ceil_mode=True), (5, 7)),
    (TWO._replace(padding=(1, 1)), (6, 34)),
    (THREE, (9, 33)),
    (THREE._replace(padding=(0, 0)), (15, 16)),
    (THREE._replace(ceil_mode=True), (10, 70)),
    (Pool2dSettings((3, 3), (1, 1), (1, 1)), (5, 40)),
    (Pool2dSettings((3, 2), (2, 1), (1, 0)), (6, 9)),
    (Pool2dSettings((2, 3), (1, 2), (0, 1)), (6, 41)),
    (Pool2dSettings((3, 3), (3, 3), (0, 0)), (9, 12)),
    (Pool2dSettings((4, 5), (3, 7), (2, 2), ceil_mode=True), (11, 60)),
    (Pool2dSettings((17, 16), (2, 2), (3, 4)), (20, 24)),
    (Pool2dSettings((7, 7), (7, 7), (0, 0)), (7, 7)),
    (Pool2dSettings((7, 5), (1, 1), (0, 0)), (7, 5)),
    (Pool2dSettings((1, 1), (1, 1), (0, 0)), (3, 5)),
    (Pool2dSettings((1, 1), (2, 2), (0, 0)), (3, 5)),
    (Pool2dSettings((70, 3), (1, 2), (1, 1)), (300, 90)),  # several bands of rows
    (TWO, (6, 2)),  # average: rows of a power of two are one run, as those of 8 above
    (TWO, (2, 4)),
    (TWO, (10, 16)),
]
DILATED = [
    (Pool2dSettings((2, 2), (2, 2), (1, 1), (2, 3)), (8, 40)),
    (Pool2dSettings((3, 2), (1, 1), (1, 1), (2, 2)), (9, 20)),
    (Pool2dSettings((2, 3), (3, 4), (0, 2), (1, 2), True), (9, 30)),
    # The first window's two taps both fall into the padding.
    (Pool2dSettings((1, 2), (1, 1), (0, 1), (1, 10)), (1, 9)),
]


@st.composite
def cases(draw, max_dilation=3) -> tuple[Pool2dSettings, tuple[int, int]]:
    """Kernel, stride, dilation, padding and output size first; then an input that gives them."""
    axes = []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        dilation = draw(st.integers(1, max_dilation))
        span = dilation * (kernel - 1) + 1
        padding = draw(st.integers(0, kernel // 2))
        out = draw(st.integers(1, 20))
        unread = draw(st.integers(0, stride - 1))
        size = max(1, (out - 1) * stride + span + unread - 2 * padding)
        axes.append((kernel, stride, padding, dilation, size))
    kernel, stride, padding, dilation, size = zip(*axes, strict=True)
    how = Pool2dSettings(
        kernel, stride, padding, dilation,
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
        divisor=draw(st.none() | st.integers(1, 9)),
    )  # fmt: skip
    return how, size


def integers(shape, dtype, seed=0, most=9):
    """Small whole numbers: every sum is exact, so kernels must agree bit for bit."""
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)


def floats(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def window(settings, size, p, q):
    """The taps of window (p, q) that lie in the input: (tap, row, column), in row order."""
    for i in range(settings.kernel[0]):
        for j in range(settings.kernel[1]):
            r = p * settings.stride[0] - settings.padding[0] + i * settings.dilation[0]
            c = q * settings.stride[1] - settings.padding[1] + j * settings.dilation[1]
            if 0 <= r < size[0] and 0 <= c < size[1]:
                yield i * settings.kernel[1] + j, r, c


# ---- the reference against loops ----


@pytest.mark.parametrize(("how", "size"), FORMS[:11] + DILATED)
def test_reference_max_pool_matches_loops(how, size):
    x = integers((2, 1, *size), np.float64)
    y, argmax = reference.max_pool2d(x, how)
    grad = integers(y.shape, np.float64, seed=1)
    gx = np.zeros_like(x)
    for n, c, p, q in np.ndindex(y.shape):
        taps = list(window(how, size, p, q))
        best = max((x[n, c, r, k] for _, r, k in taps), default=-np.inf)
        first = next(((t, r, k) for t, r, k in taps if x[n, c, r, k] == best), None)
        assert y[n, c, p, q] == best
        assert argmax[n, c, p, q] == (first[0] if first else 0)
        if first:
            gx[n, c, first[1], first[2]] += grad[n, c, p, q]
    np.testing.assert_array_equal(reference.max_pool2d_backward(grad, argmax, size, how), gx)
    outside = ~np.isfinite(y)
    taken = reference.max_pool2d_gather(x, argmax, how)
    np.testing.assert_array_equal(taken, np.where(outside, 0, y))


@pytest.mark.parametrize(("how", "size"), FORMS[:11])
@pytest.mark.parametrize("include_pad", [True, False])
def test_reference_avg_pool_matches_loops(how, size, include_pad):
    how = how._replace(count_include_pad=include_pad)
    x = integers((1, 2, *size), np.float64)
    y = reference.avg_pool2d(x, how)
    grad = integers(y.shape, np.float64, seed=1)
    gx = np.zeros_like(x)
    for n, c, p, q in np.ndindex(y.shape):
        taps = list(window(how, size, p, q))
        count = len(taps)
        if include_pad:  # rows and columns of the padded input, not of what hangs over it
            start = [(p, q)[a] * how.stride[a] - how.padding[a] for a in (0, 1)]
            end = [min(start[a] + how.kernel[a], size[a] + how.padding[a]) for a in (0, 1)]
            count = (end[0] - start[0]) * (end[1] - start[1])
        assert y[n, c, p, q] == pytest.approx(sum(x[n, c, r, k] for _, r, k in taps) / count)
        for _, r, k in taps:
            gx[n, c, r, k] += grad[n, c, p, q] / count
    np.testing.assert_allclose(reference.avg_pool2d_backward(grad, size, how), gx, atol=1e-14)


def test_reference_divides_by_the_divisor_given():
    x = integers((1, 1, 4, 4), np.float64)
    how = TWO._replace(divisor=3)
    np.testing.assert_allclose(reference.avg_pool2d(x, how) * 3, reference.avg_pool2d(x, TWO) * 4)


# ---- the kernels against the reference ----


def assert_max_agrees(how, size, dtype, x):
    y, argmax = cpp.max_pool2d(x, how)
    want, where = reference.max_pool2d(x, how)
    assert argmax.dtype == where.dtype == (np.uint8 if np.prod(how.kernel) <= 256 else np.int32)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(argmax, where)
    grad = integers(y.shape, dtype, seed=1)
    gx = cpp.max_pool2d_backward(grad, argmax, size, how)
    np.testing.assert_array_equal(gx, reference.max_pool2d_backward(grad, argmax, size, how))
    taken = cpp.max_pool2d_gather(x, argmax, how)
    np.testing.assert_array_equal(taken, reference.max_pool2d_gather(x, argmax, how))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("how", "size"), FORMS + DILATED)
def test_max_pool_is_exact(how, size, dtype, batch):
    assert_max_agrees(how, size, dtype, integers((*batch, *size), dtype))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("how", "size"), FORMS)
def test_avg_pool_is_exact_for_whole_quotients(how, size, dtype, batch):
    # Multiples of every divisor: 2, 3, 5, 7, ... divide the values, so no quotient is rounded.
    unit = 2**4 * 3**2 * 5 * 7
    how = how._replace(divisor=unit)
    x = integers((*batch, *size), dtype, most=3) * unit
    y = cpp.avg_pool2d(x, how)
    np.testing.assert_array_equal(y, reference.avg_pool2d(x, how))
    grad = integers(y.shape, dtype, seed=1) * unit
    gx = cpp.avg_pool2d_backward(grad, size, how)
    np.testing.assert_array_equal(gx, reference.avg_pool2d_backward(grad, size, how))


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases(), planes=PLANES, seed=st.integers(0, 99))
@example(case=(TWO, (8, 8)), planes=0, seed=0)
def test_max_pool_matches_the_reference(dtype, case, planes, seed):
    how, size = case
    assert_max_agrees(how, size, dtype, integers((1, planes, *size), dtype, seed, most=3))


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases(max_dilation=1), planes=PLANES, seed=st.integers(0, 99))
def test_avg_pool_matches_the_reference(dtype, case, planes, seed):
    how, size = case
    x = floats((planes, 1, *size), dtype, seed)
    rounding = np.finfo(dtype).eps * (np.prod(how.kernel) + 2)
    y = cpp.avg_pool2d(x, how)
    assert y.dtype == dtype
    bound = rounding * reference.avg_pool2d(np.abs(x), how)
    assert np.all(np.abs(y - reference.avg_pool2d(x, how)) <= bound)
    grad = floats(y.shape, dtype, seed + 1)
    gx = cpp.avg_pool2d_backward(grad, size, how)
    bound = rounding * reference.avg_pool2d_backward(np.abs(grad), size, how)
    assert np.all(np.abs(gx - reference.avg_pool2d_backward(grad, size, how)) <= bound)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("how", "size"), FORMS[:9] + DILATED)
@pytest.mark.parametrize("special", [-np.inf, np.nan, np.inf])
def test_max_pool_of_special_values_is_exact(how, size, dtype, special, batch):
    x = integers((*batch, *size), dtype, most=2)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = special
    x[0, 0] = special
    assert_max_agrees(how, size, dtype, x)


def test_the_last_nan_wins():
    x = np.array([[[[np.nan, 5.0], [np.nan, 7.0]]]], np.float32)
    y, argmax = cpp.max_pool2d(x, TWO)
    assert np.isnan(y).all()
    assert argmax.item() == 2


@pytest.mark.parametrize("planes", [1, 19])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("how", "size"), [(TWO, (8, 8)), (THREE, (9, 9)), (FORMS[10][0], (9, 9))])
def test_an_argmax_that_names_no_tap_gives_nothing(how, size, dtype, planes):
    out = how.output_size(size)
    argmax = np.full((1, planes, *out), 200, np.uint8)
    grad = np.ones(argmax.shape, dtype)
    assert not cpp.max_pool2d_backward(grad, argmax, size, how).any()
    assert not cpp.max_pool2d_gather(np.ones((1, planes, *size), dtype), argmax, how).any()


@pytest.mark.parametrize(("how", "size"), FORMS[:8] + DILATED[:1])
def test_bits_do_not_depend_on_the_number_of_threads(how, size):
    x = floats((37, 5, *size), np.float32)
    average = how._replace(dilation=(1, 1))
    grads = {name: floats((37, 5, *s.output_size(size)), np.float32, seed=1)
             for name, s in [("max", how), ("avg", average)]}  # fmt: skip
    before, results = _core.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            y, argmax = cpp.max_pool2d(x, how)
            results.append((
                y, argmax,
                cpp.max_pool2d_backward(grads["max"], argmax, size, how),
                cpp.avg_pool2d(x, average),
                cpp.avg_pool2d_backward(grads["avg"], size, average),
            ))  # fmt: skip
    finally:
        _core.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert one.tobytes() == two.tobytes()


def test_strided_input_is_exact():
    x = integers((2, 3, 16, 20), np.float32)
    views = [x.transpose(0, 1, 3, 2), x[:, ::2], x[..., ::-1], np.moveaxis(x, 1, 3)]
    for view in views:
        dense = view.copy()
        for ours, want in zip(cpp.max_pool2d(view, TWO), cpp.max_pool2d(dense, TWO), strict=True):
            np.testing.assert_array_equal(ours, want)
        np.testing.assert_array_equal(cpp.avg_pool2d(view, TWO), cpp.avg_pool2d(dense, TWO))


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.complex64])
def test_other_dtypes_are_refused(dtype):
    x, grad = np.zeros((1, 1, 4, 4), dtype), np.zeros((1, 1, 2, 2), dtype)
    argmax, name = np.zeros((1, 1, 2, 2), np.uint8), np.dtype(dtype).name
    for room in (cpp, reference):
        for call in (
            lambda room=room: room.max_pool2d(x, TWO),
            lambda room=room: room.max_pool2d_backward(grad, argmax, (4, 4), TWO),
            lambda room=room: room.max_pool2d_gather(x, argmax, TWO),
            lambda room=room: room.avg_pool2d(x, TWO),
            lambda room=room: room.avg_pool2d_backward(grad, (4, 4), TWO),
        ):
            with pytest.raises(TypeError, match=f"float32 or float64 array, got ndarray of {name}"):
                call()


REFUSED = [
    (TWO._replace(kernel=(0, 2)), r"max_pool2d: kernel is \(0, 2\) but must be 1 to"),
    (TWO._replace(stride=(2, 0)), r"max_pool2d: stride is \(2, 0\) but must be 1 to"),
    (TWO._replace(padding=(-1, 0)), r"max_pool2d: padding is \(-1, 0\) but must be 0 to"),
    (TWO._replace(dilation=(1, 0)), r"max_pool2d: dilation is \(1, 0\) but must be 1 to"),
    (TWO._replace(kernel=(2**20, 2)), r"max_pool2d: kernel is \(1048576, 2\) but must be 1 to"),
    (TWO._replace(kernel=(2**19, 2**19)), r"kernel \(524288, 524288\) has more than 2\^31 - 1"),
    (TWO._replace(padding=(2, 0)), r"padding is \(2, 0\) but must be at most half .* 2 rows"),
    (TWO._replace(padding=(0, 2)), r"padding is \(0, 2\) but must be at most half .* 2 columns"),
    (TWO._replace(kernel=(5, 2)), r"input of 4 rows with padding 0 .* than the window of 5"),
    (TWO._replace(dilation=(1, 4)), r"input of 4 columns with padding 0 .* the window of 5"),
]


@pytest.mark.parametrize(("how", "message"), REFUSED)
def test_settings_that_make_no_window_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        cpp.max_pool2d(np.zeros((1, 1, 4, 4), np.float32), how)


def test_shapes_that_do_not_fit_are_refused():
    grad = np.zeros((2, 3, 4, 4), np.float32)
    argmax = np.zeros((2, 3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"x must be .* 4 dimensions .*, got 3"):
        cpp.max_pool2d(grad[0], TWO)
    with pytest.raises(ValueError, match=r"grad is \(2, 3, 4, 4\) but an input of 9 x 6 has 4 x 3"):
        cpp.max_pool2d_backward(grad, argmax, (9, 6), TWO)
    with pytest.raises(ValueError, match=r"argmax is \(1, 3, 4, 4\) but .* each of 6 planes"):
        cpp.max_pool2d_backward(grad, argmax[:1], (8, 8), TWO)
    with pytest.raises(ValueError, match=r"gather: argmax is .* an input of 4 x 4 has 2 x 2"):
        cpp.max_pool2d_gather(grad, argmax, TWO)
    with pytest.raises(TypeError, match="argmax must be a uint8 array, got ndarray of int32"):
        cpp.max_pool2d_backward(grad, argmax.astype(np.int32), (8, 8), TWO)
    with pytest.raises(ValueError, match=r"avg_pool2d_backward: grad is .* input of 6 x 6"):
        cpp.avg_pool2d_backward(grad, (6, 6), TWO)
    with pytest.raises(ValueError, match=r"input of -8 rows"):
        cpp.avg_pool2d_backward(grad, (-8, 8), TWO)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 0, 8, 8)])
def test_empty_batches_and_channels_give_empty_results(shape):
    x = np.zeros(shape, np.float32)
    y, argmax = cpp.max_pool2d(x, TWO)
    assert y.shape == argmax.shape == (*shape[:2], 4, 4)
    assert cpp.max_pool2d_backward(y, argmax, (8, 8), TWO).shape == shape
    assert cpp.avg_pool2d(x, THREE).shape == (*shape[:2], 4, 4)
    assert cpp.avg_pool2d_backward(y, (8, 8), THREE).shape == shape
