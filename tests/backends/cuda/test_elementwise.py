"""Activations and dropout on the emulated GPU against the reference room."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.backends.reference import elementwise as reference

NAMES = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "exp", "silu", "gelu", "gelu_tanh"]
OF_Y = ["relu", "relu6", "sigmoid", "tanh", "exp"]
DTYPES = [np.float32, np.float64]


def both_ways(gpu, name, x, grad, alpha=0.25):
    """Value and gradient here and there, the reference's in float64."""
    wide = x.astype(np.float64)
    y = reference.activation(name, wide, alpha)
    saved = y if name in OF_Y else wide
    want = y, reference.activation_backward(name, grad.astype(np.float64), saved, alpha)
    there = gpu.room.activation(name, gpu.asarray(x), alpha)
    kept = there if name in OF_Y else gpu.asarray(x)
    return (
        there.get(),
        gpu.room.activation_backward(name, gpu.asarray(grad), kept, alpha).get(),
    ), want


@pytest.mark.parametrize("name", NAMES)
def test_activations(gpu, schedule, rng, name):
    dtype = DTYPES[schedule % 2]
    longest = 33_000 if name == "relu" else 300  # a thread takes several
    for size in (0, 1, 257, longest):
        x, grad = (rng.standard_normal((2, size)) * 4).astype(dtype)
        got, want = both_ways(gpu, name, x, grad)
        for ours, theirs in zip(got, want, strict=True):
            assert ours.dtype == dtype
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(ours, theirs, rtol=60 * eps, atol=100 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_special_values(gpu, name, dtype):
    x = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1000, -1000], dtype)
    (y, gx), (want, slopes) = both_ways(gpu, name, x, np.ones_like(x))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(y, want.astype(dtype), rtol=1e-6)
    np.testing.assert_allclose(gx[:2], slopes[:2], rtol=1e-6)  # the kinks
    finite = np.isfinite(slopes)  # others: infinity times 0, which is NaN here or there
    assert (np.isfinite(gx) >= (finite & (abs(slopes) < np.finfo(dtype).max))).all()
    assert np.isnan(gx[2]) == (name not in ("relu", "relu6", "leaky_relu"))


def test_a_clipped_gradient_is_exactly_zero(gpu):
    grad = gpu.asarray(np.array([np.inf, np.nan, 3.0, 4.0]))
    y = gpu.asarray(np.array([0.0, 0.0, 2.0, np.nan]))
    got = gpu.room.activation_backward("relu", grad, y).get()
    np.testing.assert_array_equal(got, [0, 0, 3, 4])


def test_layouts_and_shapes(gpu, rng):
    x = rng.standard_normal((4, 6))
    view = gpu.asarray(x).T
    np.testing.assert_allclose(gpu.room.activation("tanh", view).get(), np.tanh(x.T))
    with pytest.raises(ValueError, match=r"name must be one of relu, .*, got 'swish'"):
        gpu.room.activation("swish", view)
    with pytest.raises(ValueError, match=r"saved is \(4, 6\) but grad is \(6, 4\)"):
        gpu.room.activation_backward("relu", view, gpu.asarray(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_draws_what_the_key_says(gpu, schedule, rng, dtype):
    for size in (0, 1, 3, 4, 1025):
        x = rng.standard_normal(size).astype(dtype)
        for key, p in ((0, 0.5), (2**63 - 1, 0.3)):
            got = gpu.room.dropout(gpu.asarray(x), key, p).get()
            want = reference.dropout(x, key, p)
            np.testing.assert_array_equal(got == 0, want == 0)
            np.testing.assert_allclose(got, want, rtol=2 * np.finfo(dtype).eps)


def test_every_thread_counts_on(gpu):
    """More elements than a launch has threads."""
    x = np.ones(4 * 4 * 32 * 256 + 5, np.float32)
    np.testing.assert_array_equal(gpu.room.dropout(gpu.asarray(x), 3, 0.5).get(),
                                  reference.dropout(x, 3, 0.5))  # fmt: skip


def test_dropout_by_given_draws(gpu, rng):
    x, draws = rng.standard_normal((3, 7)), rng.random((3, 7))
    x[0, 0], draws[0, 0], draws[1, 1] = np.inf, 0, 0.4
    got = gpu.room.dropout(gpu.asarray(x), gpu.asarray(draws), 0.4).get()
    np.testing.assert_allclose(got, reference.dropout(x, draws, 0.4))


@pytest.mark.usefixtures("gpu")
def test_dropout_of_tensors_is_seeded_and_drops_the_gradient_alike():
    def run(seed):
        x = tg.ones(2000, device="cuda").requires_grad_()
        y = F.dropout(x, 0.25, generator=tg.Generator(seed))
        y.sum().backward()
        return y.detach().cpu().numpy(), x.grad.cpu().numpy()

    y, gx = run(1)
    np.testing.assert_array_equal(y, gx)
    assert 0.2 < (y == 0).mean() < 0.3
    np.testing.assert_array_equal(run(1)[0], y)
    assert (run(2)[0] != y).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_end_of_a_residual_block(gpu, schedule, rng, dtype):
    for size in (0, 1, 257, 33_000):
        a, b = rng.standard_normal((2, size)).astype(dtype)
        a[:1] = np.nan
        got = gpu.room.add_relu(gpu.asarray(a), gpu.asarray(b)).get()
        np.testing.assert_array_equal(got, reference.add_relu(a, b))
    with pytest.raises(ValueError, match="b is"):
        gpu.room.add_relu(gpu.asarray(a), gpu.asarray(b[:-1]))
