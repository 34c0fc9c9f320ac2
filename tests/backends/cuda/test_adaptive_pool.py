"""Pooling to a given size on the emulated GPU: the reference's bits, and those of the CPU's room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.backends.cpp import adaptive_pool as cpp
from tinygrad_cv.backends.reference import adaptive_pool as reference

DTYPES = [np.float32, np.float64]
# Larger and smaller than the input, even, uneven, overlapping, one, and several rounds of a thread.
FORMS = [((5, 4), (2, 3)), ((7, 9), (3, 2)), ((3, 2), (5, 7)), ((6, 8), (3, 2)), ((4, 5), (1, 1)),
         ((150, 90), (61, 47))]  # fmt: skip
quick = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_agree(gpu, x, size):
    """All five functions, bit for bit: sums have one order everywhere."""
    sides, up = x.shape[2:], gpu.asarray
    y = reference.adaptive_avg_pool2d(x, size)
    np.testing.assert_array_equal(gpu.room.adaptive_avg_pool2d(up(x), size).get(), y)
    np.testing.assert_array_equal(cpp.adaptive_avg_pool2d(x, size), y)
    grad = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    want = reference.adaptive_avg_pool2d_backward(grad, sides)
    np.testing.assert_array_equal(
        gpu.room.adaptive_avg_pool2d_backward(up(grad), sides).get(), want
    )
    np.testing.assert_array_equal(cpp.adaptive_avg_pool2d_backward(grad, sides), want)
    assert_max_agrees(gpu, x, size, grad)


def assert_max_agrees(gpu, x, size, grad):
    y, places = reference.adaptive_max_pool2d(x, size)
    got, where = gpu.room.adaptive_max_pool2d(gpu.asarray(x), size)
    for values, its in ((got.get(), where.get()), cpp.adaptive_max_pool2d(x, size)):
        np.testing.assert_array_equal(values, y)
        np.testing.assert_array_equal(its, places)
        assert its.dtype == np.int32
    gx = gpu.room.adaptive_max_pool2d_backward(gpu.asarray(grad), where, x.shape[2:])
    want = reference.adaptive_max_pool2d_backward(grad, places, x.shape[2:])
    np.testing.assert_array_equal(gx.get(), want)
    of_the_cpu = cpp.adaptive_max_pool2d_backward(grad, places, x.shape[2:])  # sums in float64
    np.testing.assert_allclose(of_the_cpu, want, rtol=1e-6, atol=1e-6)
    assert of_the_cpu.dtype == want.dtype
    taken = gpu.room.adaptive_max_pool2d_gather(gpu.asarray(x), where)
    np.testing.assert_array_equal(taken.get(), reference.adaptive_max_pool2d_gather(x, places))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pools_of_a_given_size_have_the_references_bits(gpu, schedule, rng, dtype):
    for sides, size in FORMS[:5]:
        assert_agree(gpu, rng.standard_normal((2, 3, *sides)).astype(dtype), size)


def test_a_thread_goes_through_several_elements(gpu, rng):
    sides, size = FORMS[5]
    assert_agree(gpu, rng.standard_normal((1, 3, *sides)).astype(np.float32), size)


side = st.integers(1, 12)


@quick
@given(
    sides=st.tuples(side, side), size=st.tuples(side, side), planes=st.integers(0, 4),
    dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_sizes_agree(gpu, sides, size, planes, dtype, seed):
    x = np.random.default_rng(seed).integers(-3, 4, (1, planes, *sides)).astype(dtype)
    assert_agree(gpu, x, size)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_win_as_in_the_reference(gpu, special):
    x = np.random.default_rng(0).integers(-2, 3, (2, 3, 7, 9)).astype(np.float32)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = special
    x[0, 0] = special
    assert_max_agrees(gpu, x, (3, 2), np.ones((2, 3, 3, 2), np.float32))


def test_empty_results_and_inputs(gpu):
    assert gpu.room.adaptive_avg_pool2d(gpu.ones((2, 3, 4, 4)), (0, 2)).shape == (2, 3, 0, 2)
    of_nothing = gpu.room.adaptive_avg_pool2d(gpu.ones((2, 3, 0, 4)), (2, 2))
    np.testing.assert_array_equal(of_nothing.get(), np.zeros((2, 3, 2, 2)))
    np.testing.assert_array_equal(
        cpp.adaptive_avg_pool2d(np.ones((2, 3, 0, 4)), (2, 2)), np.zeros((2, 3, 2, 2))
    )


@pytest.mark.parametrize("place", [-1, 16, 99])
def test_a_place_outside_gives_nothing(gpu, place):
    """Not the next plane's, nor what lies behind the last."""
    places = gpu.full((1, 2, 2, 2), place, np.int32)
    x, grad = gpu.ones((1, 2, 4, 4), np.float32), gpu.ones((1, 2, 2, 2), np.float32)
    assert not gpu.room.adaptive_max_pool2d_gather(x, places).get().any()
    assert not gpu.room.adaptive_max_pool2d_backward(grad, places, (4, 4)).get().any()


def test_stacks_too_large_for_one_launch_are_cut(gpu, monkeypatch):
    from standin import Cuda

    from tinygrad_cv.backends.cuda import arrays as border

    monkeypatch.setattr(border, "MOST_ELEMENTS", 2 * 63 + 1)  # 2 planes of 7 x 9 a launch
    before = Cuda.launches
    x = np.random.default_rng(0).standard_normal((1, 5, 7, 9)).astype(np.float32)
    assert_agree(gpu, x, (3, 2))
    assert Cuda.launches - before == 5 * 3


def test_layouts_that_are_not_dense_are_copied(gpu, rng):
    x = rng.standard_normal((2, 3, 7, 9)).astype(np.float32)
    view = gpu.asarray(x).transpose(1, 0, 3, 2)[..., ::-1]
    want = reference.adaptive_avg_pool2d(view.get(), (2, 3))
    np.testing.assert_array_equal(gpu.room.adaptive_avg_pool2d(view, (2, 3)).get(), want)
    want = reference.adaptive_max_pool2d(view.get(), (2, 3))[0]
    np.testing.assert_array_equal(gpu.room.adaptive_max_pool2d(view, (2, 3))[0].get(), want)


def test_what_does_not_fit_is_refused(gpu):
    grad, places = gpu.ones((2, 3, 4, 4), np.float32), gpu.zeros((2, 3, 4, 4), np.int32)
    with pytest.raises(ValueError, match=r"places is \(1, 3, 4, 4\) but the windows are \(2, 3, 4"):
        gpu.room.adaptive_max_pool2d_backward(grad, places[:1], (8, 8))
    with pytest.raises(ValueError, match="adaptive_max_pool2d_gather: places is"):
        gpu.room.adaptive_max_pool2d_gather(grad, places[:1])
    with pytest.raises(TypeError, match="places must be int32, got ndarray of int64"):
        gpu.room.adaptive_max_pool2d_backward(grad, places.astype(np.int64), (8, 8))
    with pytest.raises(TypeError, match="float32 or float64 array, got ndarray of int32"):
        gpu.room.adaptive_avg_pool2d(places, (2, 2))


def test_pools_and_their_gradients_wait_for_nothing(gpu):
    from standin import Cuda

    F = tg.functional
    x = tg.rand(2, 3, 7, 9).cuda().requires_grad_()
    before = Cuda.synchronizations
    for pool in (
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: F.adaptive_max_pool2d(x, (3, 2)),
        lambda x: F.adaptive_max_pool2d(x, (3, 2), return_indices=True)[0],
        lambda x: F.lp_pool2d(x, 3, 2),
    ):
        x.grad = None
        pool(x).sum().backward()
        assert Cuda.synchronizations == before
