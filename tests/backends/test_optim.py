"""Optimizer steps by the kernels against the reference room, and the reference by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp import optim as cpp
from tinygrad_cv.backends.reference import optim as reference

DTYPES = [np.float32, np.float64]
SHAPES = [(), (1,), (15,), (16,), (3, 7), (65,), (16385,), (200, 401)]
SGD = [
    {"momentum": momentum, "keep": keep, "decay": decay, "nesterov": nesterov, "maximize": maximize}
    for momentum, keep, nesterov in ((0.0, 1.0, False), (0.9, 0.75, False), (0.9, 1.0, True))
    for decay in (0.0, 0.5)
    for maximize in (False, True)
]
ADAM = [
    {"decay": decay, "shrink": shrink, "maximize": maximize, "divisor": divisor}
    for decay, shrink in ((0.0, 1.0), (0.25, 1.0), (0.0, 0.9))
    for maximize in (False, True)
    for divisor in (1.0, 0.3)
]


def drawn(shape, dtype, seed):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def sgd(room, w, g, v, how):
    v = None if how["momentum"] == 0 else v
    return room.sgd_step(
        w, g, v, 0.1, how["momentum"], how["keep"], how["decay"], how["nesterov"], how["maximize"]
    )


def adam(room, w, g, m, v, top, how):
    return room.adam_step(
        w, g, m, v, top, 0.9, 0.99, 0.01, how["divisor"], 1e-8, how["decay"], how["shrink"],
        how["maximize"],
    )  # fmt: skip


def close(got, want, dtype):
    for ours, theirs in zip(got, want, strict=True):
        size = np.abs(theirs).max()
        np.testing.assert_allclose(
            ours, theirs, rtol=0, atol=32 * np.finfo(dtype).eps * max(1, size)
        )


def test_the_reference_is_the_formula():
    w, v = np.array([2.0]), np.array([0.5])
    reference.sgd_step(w, np.array([3.0]), v, 0.1, 0.9, 0.5, 0.2, True, False)
    d = 3 + 0.2 * 2
    assert v[0] == pytest.approx(0.9 * 0.5 + 0.5 * d)
    assert w[0] == pytest.approx(2 - 0.1 * (d + 0.9 * v[0]))
    w, m, v, top = (np.array([x]) for x in (2.0, 0.1, 0.2, 5.0))
    reference.adam_step(w, np.array([3.0]), m, v, top, 0.9, 0.99, 0.01, 0.5, 1e-3, 0, 0.75, True)
    assert m[0] == pytest.approx(0.1 + 0.1 * (-3 - 0.1))
    assert v[0] == pytest.approx(0.99 * 0.2 + 0.01 * 9)
    assert top[0] == 5.0
    assert w[0] == pytest.approx(1.5 - 0.01 * m[0] / (math.sqrt(5) / 0.5 + 1e-3))


@pytest.mark.parametrize("how", SGD)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sgd_is_exact_to_rounding(shape, dtype, how):
    w, g, v = (drawn(shape, dtype, seed) for seed in range(3))
    wide_w, wide_g, wide_v = (a.astype(np.float64) for a in (w, g, v))
    grad = g.copy()
    for _ in range(2):
        sgd(cpp, w, g, v, how)
        sgd(reference, wide_w, wide_g, wide_v, how)
    close((w, v), (wide_w, wide_v), dtype)
    np.testing.assert_array_equal(g, grad)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("how", ADAM)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_adam_is_exact_to_rounding(shape, dtype, how, amsgrad):
    w, g, m, v, top = (drawn(shape, dtype, seed) for seed in range(5))
    np.abs(v, out=v)
    top = np.abs(top, out=top) if amsgrad else None
    state = [None if a is None else a.astype(np.float64) for a in (w, g, m, v, top)]
    for _ in range(2):
        adam(cpp, w, g, m, v, top, how)
        adam(reference, *state, how)
    kept = 5 if amsgrad else 4
    close((w, g, m, v, top)[:kept], state[:kept], dtype)


def test_no_decay_leaves_an_infinite_weight_out_exactly():
    w, g = np.array([np.inf], np.float32), np.array([1.0], np.float32)
    sgd(cpp, w, g, None, SGD[0])
    assert w[0] == np.inf


@pytest.mark.parametrize("room", [cpp, reference])
def test_nan_stays_in_the_largest_square_exactly(room):
    w, m, v = (np.ones(2, np.float32) for _ in range(3))
    top, g = np.array([np.nan, 1], np.float32), np.array([1, np.nan], np.float32)
    with np.errstate(invalid="ignore"):
        adam(room, w, g, m, v, top, ADAM[0])
    assert np.isnan(top).all()
    assert np.isnan(w).all()


def test_strided_parameters_are_written_through():
    base, g = np.ones((6, 4), np.float32), drawn((3, 4), np.float32, 1)
    state = [np.zeros((3, 8), np.float32)[:, ::2] for _ in range(2)]
    cpp.sgd_step(base[::2], g.T.copy().T, state[0], 0.5, 0.9, 1.0, 0.0, False, False)
    np.testing.assert_array_equal(base[::2], 1 - np.float32(0.5) * g)
    assert (base[1::2] == 1).all()
    np.testing.assert_array_equal(state[0], g)
    adam(cpp, base[::2], g, *state, None, ADAM[0])
    assert (state[1] > 0).all()
    assert (base[1::2] == 1).all()


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit_exactly(threads):
    before, results = _core.get_num_threads(), []
    for count in (1, threads):
        _core.set_num_threads(count)
        w, g, m, v = (drawn(300_001, np.float32, seed) for seed in range(4))
        adam(cpp, w, g, m, abs(v), None, ADAM[0])
        results.append((w, m))
    _core.set_num_threads(before)
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


def test_what_does_not_fit_is_refused():
    w = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"grad and w must have one shape, got \(4,\) and \(3,\)"):
        cpp.sgd_step(w, np.zeros(4, np.float32), None, 0.1, 0.0, 1.0, 0.0, False, False)
    with pytest.raises(TypeError, match="grad must be a float32 array"):
        cpp.sgd_step(w, np.zeros(3), None, 0.1, 0.0, 1.0, 0.0, False, False)
    with pytest.raises(TypeError, match="exp_avg and exp_avg_sq must be arrays"):
        adam(_Without(), w, w, None, None, None, ADAM[0])


class _Without:
    """The kernel itself, which the room calls with arrays only."""

    adam_step = staticmethod(_core.adam_step)
