"""Optimizer steps on the emulated GPU against the reference room."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tinygrad_cv.backends.reference import optim as reference

DTYPES = [np.float32, np.float64]
SIZES = [0, 1, 255, 257, 40_000]  # the last: several rounds of every thread


def close(gpu, got, want, dtype):
    rounding = 16 * np.finfo(dtype).eps
    for one, other in zip(got, want, strict=True):
        if other is not None:
            np.testing.assert_allclose(one.get(), other, rtol=rounding, atol=rounding)


def both(gpu, step, arrays, *settings):
    """The arrays after a step here, and after one there."""
    there = [None if a is None else gpu.asarray(a) for a in arrays]
    here = [None if a is None else a.copy() for a in arrays]
    getattr(gpu.room, step)(*there, *settings)
    getattr(reference, step)(*here, *settings)
    return there, here


@pytest.mark.parametrize("dtype", DTYPES)
def test_sgd_steps_as_the_reference(gpu, schedule, rng, dtype):
    for size, momentum, nesterov, up in product(SIZES[:4], (0, 1), (False, True), (False, True)):
        w, grad, v = (rng.standard_normal(size).astype(dtype) for _ in range(3))
        settings = (0.1, 0.9, 0.8, 0.01, nesterov, up)
        close(gpu, *both(gpu, "sgd_step", [w, grad, v if momentum else None], *settings), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_steps_as_the_reference(gpu, schedule, rng, dtype):
    for size, amsgrad, up in product(SIZES, (False, True), (False, True)):
        w, grad, m = (rng.standard_normal(size).astype(dtype) for _ in range(3))
        v, top = (rng.random(size).astype(dtype) for _ in range(2))
        arrays = [w, grad, m, v, top if amsgrad else None]
        settings = (0.9, 0.999, 0.01, 0.5, 1e-8, 0.02, 0.99, up)
        close(gpu, *both(gpu, "adam_step", arrays, *settings), dtype)


def test_a_parameter_that_is_not_dense_is_stepped_in_place(gpu):
    w = gpu.ones((3, 4), np.float32)
    gpu.room.sgd_step(w.T, gpu.ones((4, 3), np.float32), None, 0.25, 0, 1, 0, False, False)
    np.testing.assert_array_equal(w.get(), np.full((3, 4), 0.75))


def test_nan_takes_the_maximum(gpu):
    arrays = [
        np.ones(2),
        np.array([np.nan, 1.0]),
        np.zeros(2),
        np.zeros(2),
        np.array([0.0, np.nan]),
    ]
    there, here = both(gpu, "adam_step", arrays, 0.9, 0.999, 0.1, 1, 1e-8, 0, 1, False)
    np.testing.assert_array_equal(there[4].get(), here[4])
    assert np.isnan(here[4]).all()


def test_sizes_that_differ_are_refused(gpu):
    with pytest.raises(ValueError, match=r"sgd_step: grad is \(3,\) but w is \(2,\)"):
        gpu.room.sgd_step(gpu.ones(2), gpu.ones(3), None, 0.1, 0, 1, 0, False, False)
    ones = gpu.ones(2, np.float32)
    with pytest.raises(TypeError, match="adam_step: exp_avg must be a float64 array"):
        gpu.room.adam_step(gpu.ones(2), gpu.ones(2), ones, ones, None, *[0.5] * 7, False)
