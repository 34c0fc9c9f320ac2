"""What a GradScaler asks of a room: kernels on the emulated GPU against the reference."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tinygrad_cv.backends.reference import optim as reference

DTYPES = [np.float32, np.float64]
SIZES = [1, 255, 257, 40_000]  # the last: several rounds of every thread


def scalar(value, dtype):
    return np.array(value, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_are_unscaled_and_looked_through(gpu, schedule, rng, dtype):
    """By a scale that is no power of two: the factor is rounded to float32, then the product."""
    scale = scalar(1000.0, np.float32)
    for size, planted in product(SIZES, (None, np.inf, -np.inf, np.nan)):
        grad = rng.standard_normal(size).astype(dtype)
        if planted is not None:
            grad[rng.integers(size)] = planted
        there, found = gpu.asarray(grad), gpu.zeros((), np.int32)
        gpu.room.unscale(there, gpu.asarray(scale), found)
        want = scalar(0, np.int32)
        reference.unscale(grad, scale, want)
        assert found.get() == want == (planted is not None)
        np.testing.assert_array_equal(there.get(), grad)


def test_a_flag_that_is_set_stays(gpu):
    found = gpu.ones((), np.int32)
    for size in (3, 0):
        gpu.room.unscale(gpu.ones(size), gpu.ones((), np.float32), found)
        assert found.get() == 1


def test_gradients_that_are_not_dense_are_unscaled_in_place(gpu):
    grad, found = gpu.ones((3, 4), np.float32), gpu.zeros((), np.int32)
    gpu.room.unscale(grad.T, gpu.full((), 4, np.float32), found)
    np.testing.assert_array_equal(grad.get(), np.full((3, 4), 0.25))


@pytest.mark.parametrize("scale", [2.0**16, 2.0**127, 3e38, 1e-45])
def test_scales_follow_as_in_the_reference(gpu, scale):
    for streak, found in product((0, 1, 2, 7), (0, 1, 2)):
        given = scalar(scale, np.float32), scalar(streak, np.int32), scalar(found, np.int32)
        want = reference.update_scale(*given, 2.0, 0.5, 3)
        got = gpu.room.update_scale(*map(gpu.asarray, given), 2.0, 0.5, 3)
        for ours, theirs in zip(got, want, strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.get() == theirs
    grown = reference.update_scale(
        *(scalar(n, d) for n, d in ((8, "f4"), (2, "i4"), (0, "i4"))), 2.0, 0.5, 3
    )
    assert (grown[0], grown[1]) == (16, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("momentum", [False, True])
def test_sgd_leaves_a_step_out(gpu, schedule, rng, dtype, momentum):
    for skip in (0, 1):
        arrays = [rng.standard_normal(700).astype(dtype) for _ in range(3)]
        there = [gpu.asarray(a) for a in arrays]
        velocity = there[2] if momentum else None
        settings = 0.1, 0.9, 0.8, 0.01, False, False
        gpu.room.sgd_step(*there[:2], velocity, *settings, gpu.full((), skip, np.int32))
        if not skip:
            reference.sgd_step(*arrays[:2], arrays[2] if momentum else None, *settings)
        for got, want in zip(there, arrays, strict=True):
            np.testing.assert_allclose(got.get(), want, rtol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_counts_the_steps_that_it_takes(gpu, schedule, rng, dtype):
    """Its count goes from launch to launch on the GPU, and into what makes up for the start."""
    for size, amsgrad, corrected in product(SIZES, (False, True), (False, True)):
        w, m, v, top = (rng.random(size).astype(dtype) for _ in range(4))
        here = [w, m * 0, v * 0, top * 0 if amsgrad else None]
        there = [None if a is None else gpu.asarray(a) for a in here]
        count, taken = 0, 0
        settings = 0.01, 0.9, 0.999, 1e-8, 0.02, 0.99, corrected, False
        for skip in (1, 0, 0, 1, 0):
            grad = rng.standard_normal(size).astype(dtype)
            flag = gpu.full((), skip, np.int32)
            taken = gpu.room.adam_step_counted(
                flag, taken, there[0], gpu.asarray(grad), *there[1:], *settings
            )
            count = reference.adam_step_counted(skip, count, here[0], grad, *here[1:], *settings)
            assert taken.get() == count
        assert count == 3
        for got, want in zip(there, here, strict=True):
            if want is not None:
                rounding = 64 * np.finfo(dtype).eps
                np.testing.assert_allclose(got.get(), want, rtol=rounding, atol=rounding)


def test_adam_counts_where_there_is_nothing_to_step(gpu):
    nothing = [gpu.empty(0) for _ in range(4)]
    flag = gpu.zeros((), np.int32)
    taken = gpu.room.adam_step_counted(flag, 4, *nothing, None, *[0.5] * 6, True, False)
    assert taken.get() == 5


def test_adam_without_a_flag_counts_on_the_host(gpu):
    w, grad, m, v = (gpu.ones(3) for _ in range(4))
    taken = gpu.room.adam_step_counted(None, 4, w, grad, m, v, None, *[0.5] * 6, True, False)
    assert taken == 5
    assert isinstance(taken, int)
