"""Pooling on the emulated GPU against the reference room, bit for bit where no quotient rounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_cv.backends.contract import Pool2dSettings
from tinygrad_cv.backends.reference import pool as reference

DTYPES = [np.float32, np.float64]
TWO = Pool2dSettings((2, 2), (2, 2), (0, 0))
FORMS = [
    (TWO, (8, 9)),
    (TWO._replace(ceil_mode=True), (5, 7)),
    (Pool2dSettings((3, 3), (2, 2), (1, 1)), (9, 20)),
    (Pool2dSettings((3, 2), (1, 1), (1, 1), (2, 2)), (9, 12)),
    (Pool2dSettings((17, 16), (2, 2), (3, 4)), (20, 24)),  # more than 256 taps
    (Pool2dSettings((4, 5), (3, 7), (2, 2), ceil_mode=True), (11, 60)),
    # The first window's two taps both fall into the padding.
    (Pool2dSettings((1, 2), (1, 1), (0, 1), (1, 10)), (1, 9)),
]
quick = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def cases(draw, max_dilation=3):
    """Kernel, stride, dilation, padding and output size first; then an input that gives them."""
    axes = []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        dilation = draw(st.integers(1, max_dilation))
        padding, out = draw(st.integers(0, kernel // 2)), draw(st.integers(1, 12))
        span = dilation * (kernel - 1) + 1
        unread = draw(st.integers(0, stride - 1))
        axes.append((kernel, stride, padding, dilation,
                     max(1, (out - 1) * stride + span + unread - 2 * padding)))  # fmt: skip
    kernel, stride, padding, dilation, size = zip(*axes, strict=True)
    how = Pool2dSettings(
        kernel, stride, padding, dilation,
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
        divisor=draw(st.none() | st.integers(1, 9)),
    )  # fmt: skip
    return how, size


def integers(shape, dtype, seed=0, most=9):
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)


def assert_max_agrees(gpu, how, x):
    """Value, argmax, backward and gather, each equal to the reference's."""
    y, argmax = gpu.room.max_pool2d(gpu.asarray(x), how)
    want, where = reference.max_pool2d(x, how)
    assert argmax.dtype == where.dtype
    np.testing.assert_array_equal(y.get(), want)
    np.testing.assert_array_equal(argmax.get(), where)
    grad = integers(want.shape, x.dtype, seed=1)
    size = x.shape[2:]
    gx = gpu.room.max_pool2d_backward(gpu.asarray(grad), argmax, size, how)
    np.testing.assert_array_equal(gx.get(), reference.max_pool2d_backward(grad, where, size, how))
    taken = gpu.room.max_pool2d_gather(gpu.asarray(x), argmax, how)
    np.testing.assert_array_equal(taken.get(), reference.max_pool2d_gather(x, where, how))


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pooling_is_exact(gpu, schedule, dtype):
    for how, size in FORMS:
        assert_max_agrees(gpu, how, integers((2, 3, *size), dtype, most=4))


@quick
@given(
    case=cases(), dtype=st.sampled_from(DTYPES), planes=st.integers(0, 4), seed=st.integers(0, 99)
)
def test_max_pooling_matches_the_reference(gpu, case, dtype, planes, seed):
    how, size = case
    assert_max_agrees(gpu, how, integers((1, planes, *size), dtype, seed, most=3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("special", [-np.inf, np.nan, np.inf])
def test_max_pooling_of_special_values_is_exact(gpu, dtype, special):
    for how, size in FORMS[:4]:
        x = integers((2, 2, *size), dtype, most=2)
        x[np.random.default_rng(1).random(x.shape) < 0.3] = special
        x[0, 0] = special
        assert_max_agrees(gpu, how, x)


@pytest.mark.parametrize("tap", [4, 200])
def test_an_argmax_that_names_no_tap_gives_nothing(gpu, tap):
    argmax = gpu.full((1, 1, 4, 4), tap, np.uint8)
    grad, x = gpu.ones((1, 1, 4, 4), np.float32), gpu.ones((1, 1, 8, 8), np.float32)
    assert not gpu.room.max_pool2d_backward(grad, argmax, (8, 8), TWO).get().any()
    assert not gpu.room.max_pool2d_gather(x, argmax, TWO).get().any()


def test_what_names_no_pixel_gathers_zero(gpu):
    """A tap in the padding, on each side, and one behind the last tap."""
    how = Pool2dSettings((3, 3), (1, 1), (1, 1))
    x = np.arange(1, 33, dtype=np.float32).reshape(1, 2, 4, 4)
    argmax = np.full(x.shape, 4, np.uint8)  # each window's middle
    outside = {(3, 3): 5, (3, 2): 7, (0, 1): 9, (0, 0): 1, (1, 0): 3}
    want = x.copy()
    for (row, column), tap in outside.items():
        argmax[0, 1, row, column] = tap
        want[0, 1, row, column] = 0
    taken = gpu.room.max_pool2d_gather(gpu.asarray(x), gpu.asarray(argmax), how)
    np.testing.assert_array_equal(taken.get(), want)


@quick
@given(
    case=cases(max_dilation=1), dtype=st.sampled_from(DTYPES), planes=st.integers(0, 4),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_average_pooling_is_within_its_bound(gpu, case, dtype, planes, seed):
    how, size = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((planes, 1, *size)).astype(dtype)
    rounding = np.finfo(dtype).eps * (np.prod(how.kernel) + 2)
    y = gpu.room.avg_pool2d(gpu.asarray(x), how)
    assert y.dtype == dtype
    bound = rounding * reference.avg_pool2d(abs(x), how)
    assert (abs(y.get() - reference.avg_pool2d(x, how)) <= bound).all()
    grad = rng.standard_normal(y.shape).astype(dtype)
    gx = gpu.room.avg_pool2d_backward(gpu.asarray(grad), size, how)
    bound = rounding * reference.avg_pool2d_backward(abs(grad), size, how)
    assert (abs(gx.get() - reference.avg_pool2d_backward(grad, size, how)) <= bound).all()


@pytest.mark.parametrize("include_pad", [True, False])
def test_average_pooling_is_exact_for_whole_quotients(gpu, schedule, include_pad):
    unit = 2**4 * 3**2 * 5 * 7  # every window's count divides it
    for how, size in [f for f in FORMS if f[0].dilation == (1, 1) and f[0].kernel[0] < 5]:
        how = how._replace(count_include_pad=include_pad)
        x = integers((2, 1, *size), np.float32, most=3) * unit
        want = reference.avg_pool2d(x, how)
        np.testing.assert_array_equal(gpu.room.avg_pool2d(gpu.asarray(x), how).get(), want)
        grad = integers(want.shape, np.float32, seed=1) * unit
        gx = gpu.room.avg_pool2d_backward(gpu.asarray(grad), size, how)
        np.testing.assert_array_equal(gx.get(), reference.avg_pool2d_backward(grad, size, how))


def test_stacks_too_large_for_one_launch_are_cut(gpu, monkeypatch):
    from standin import Cuda

    from tinygrad_cv.backends.cuda import arrays as border

    monkeypatch.setattr(border, "MOST_ELEMENTS", 2 * 64 + 1)  # 2 planes of 8 x 8 a launch
    before = Cuda.launches
    x = integers((1, 5, 8, 8), np.float32)
    assert_max_agrees(gpu, TWO, x)
    assert Cuda.launches - before == 9
    monkeypatch.setattr(border, "MOST_ELEMENTS", 63)
    message = "avg_pool2d: a plane has 64 elements, but a kernel counts at most 63"
    with pytest.raises(ValueError, match=message):
        gpu.room.avg_pool2d(gpu.asarray(x), TWO)


def test_layouts_that_are_not_dense_are_copied(gpu):
    x = integers((2, 3, 8, 10), np.float32)
    for view in (gpu.asarray(x)[..., ::-1], gpu.asarray(x).transpose(1, 0, 3, 2)):
        want = reference.max_pool2d(view.get(), TWO)[0]
        np.testing.assert_array_equal(gpu.room.max_pool2d(view, TWO)[0].get(), want)
        want = reference.avg_pool2d(view.get(), TWO)
        np.testing.assert_array_equal(gpu.room.avg_pool2d(view, TWO).get(), want)


def test_shapes_that_do_not_fit_are_refused(gpu):
    grad, argmax = gpu.zeros((2, 3, 4, 4), np.float32), gpu.zeros((2, 3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"grad is \(2, 3, 4, 4\) but input \(2, 3, 9, 6\) has"):
        gpu.room.max_pool2d_backward(grad, argmax, (9, 6), TWO)
    with pytest.raises(ValueError, match=r"argmax is \(1, 3, 4, 4\)"):
        gpu.room.max_pool2d_backward(grad, argmax[:1], (8, 8), TWO)
    with pytest.raises(TypeError, match="argmax must be a uint8 array, got ndarray of int32"):
        gpu.room.max_pool2d_backward(grad, argmax.astype(np.int32), (8, 8), TWO)
    with pytest.raises(ValueError, match=r"max_pool2d_gather: argmax is"):
        gpu.room.max_pool2d_gather(grad, argmax, TWO)
    with pytest.raises(ValueError, match=r"avg_pool2d_backward: grad is"):
        gpu.room.avg_pool2d_backward(grad, (6, 6), TWO)
    with pytest.raises(TypeError, match="float32 or float64 array, got ndarray of float16"):
        gpu.room.avg_pool2d(gpu.zeros((1, 1, 4, 4), np.float16), TWO)
