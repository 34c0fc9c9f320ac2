"""Activation kernels within their bounds, sums over channels exactly, and the reference by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.cpp import elementwise as cpp
from tinygrad_cv.backends.reference import elementwise as reference

DTYPES = [np.float32, np.float64]
NAMES = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "exp", "silu", "gelu", "gelu_tanh"]
FROM_OUTPUT = ("relu", "relu6", "sigmoid", "tanh", "exp")
# Units of the last place of the result; beside them units of 1, where the formula cancels.
BOUNDS = {
    "relu": 0, "relu6": 0, "leaky_relu": 0.5, "sigmoid": 3.5, "tanh": 3, "exp": 1.5,
    "silu": 5, "gelu": 4, "gelu_tanh": 4,
}  # fmt: skip
ABSOLUTE = ("gelu", "gelu_tanh")
# Below, at and above a vector, four vectors and a job; several jobs.
SIZES = [0, 1, 3, 15, 16, 17, 31, 64, 65, 1000, 16384, 16385, 70001]


def spread(size, dtype, most):
    """Numbers between -most and most, half of them near 0."""
    rng = np.random.default_rng(size)
    x = rng.uniform(-most, most, size)
    x[::2] = rng.standard_normal(len(x[::2]))
    return x.astype(dtype)


def exactly(name, x, alpha):
    """The function in extended precision (x86) or float64, from its textbook formula."""
    x = x.astype(np.longdouble)
    if name == "relu":
        return np.where(x > 0, x, 0)
    if name == "relu6":
        return np.minimum(np.where(x > 0, x, 0), 6)
    if name == "leaky_relu":
        return np.where(x > 0, x, alpha * x)
    if name == "gelu":
        return np.array([v / 2 * math.erfc(-v / math.sqrt(2)) for v in x.astype(float)])
    s = 1 / (1 + np.exp(-x))
    inner = np.sqrt(2 / np.longdouble(np.pi)) * (x + np.longdouble(0.044715) * x**3)
    return {
        "sigmoid": s, "tanh": np.tanh(x), "exp": np.exp(x), "silu": x * s,
        "gelu_tanh": x / 2 * (1 + np.tanh(inner)),
    }[name]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_activations_are_exact_to_their_bounds(name, size, dtype):
    x, alpha = spread(size, dtype, 30), float(dtype(0.1))
    want = exactly(name, x, alpha)
    unit = np.spacing(np.abs(want).astype(dtype)).astype(np.longdouble)
    if name in ABSOLUTE:
        unit = np.maximum(unit, np.finfo(dtype).eps * np.maximum(np.abs(x), 1))
    y = cpp.activation(name, x, alpha)
    assert y.dtype == dtype
    assert y.shape == x.shape
    assert (np.abs(y - want) <= max(BOUNDS[name], 1e-9) * unit).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid"])
def test_exponentials_are_exact_over_the_whole_range(name, dtype):
    info = np.finfo(dtype)
    edge = math.log(float(info.max))
    x = np.concatenate([np.linspace(-edge, edge, 200_001), np.linspace(-1, 1, 50_001) ** 5])
    x = x.astype(dtype)
    with np.errstate(over="ignore"):
        want = exactly(name, x, 0)
    y = cpp.activation(name, x)
    normal = (np.abs(want) >= info.tiny) & (want <= info.max)
    unit = np.spacing(np.abs(want[normal]).astype(dtype)).astype(np.longdouble)
    assert (np.abs(y - want)[normal] / unit).max() <= BOUNDS[name]
    below = np.abs(want) < info.tiny  # denormal numbers may count as zeros
    assert (np.abs(y - want)[below] <= np.abs(want)[below] + info.smallest_subnormal).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_are_exact(dtype):
    x = np.array([-np.inf, -1e6, -0.0, 0.0, 1e6, np.inf, np.nan], dtype)
    nan, inf = np.nan, np.inf
    for name, want in {
        "relu": [0, 0, 0, 0, 1e6, inf, nan],
        "relu6": [0, 0, 0, 0, 6, 6, nan],
        "leaky_relu": [-inf, -1e5, 0, 0, 1e6, inf, nan],
        "sigmoid": [0, 0, 0.5, 0.5, 1, 1, nan],
        "tanh": [-1, -1, 0, 0, 1, 1, nan],
        "exp": [0, 0, 1, 1, inf, inf, nan],
        "silu": [nan, 0, 0, 0, 1e6, inf, nan],
        "gelu": [nan, 0, 0, 0, 1e6, inf, nan],
        "gelu_tanh": [nan, 0, 0, 0, 1e6, inf, nan],
    }.items():
        np.testing.assert_allclose(cpp.activation(name, x, 0.1), want, rtol=1e-6)
    assert np.signbit(cpp.activation("tanh", x)[2])


def test_results_below_the_smallest_normal_number_are_zero_or_right():
    x = np.array([-90.0, -100.0, -103.0], np.float32)
    want = np.exp(x.astype(np.float64))
    y = cpp.activation("exp", x)
    assert ((y == 0) | (abs(y - want) <= 1e-45)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_the_formulas(name, dtype):
    x = spread(300, dtype, 8)
    rtol = 30 * np.finfo(dtype).eps
    want = exactly(name, x, 0.1).astype(np.float64)
    np.testing.assert_allclose(reference.activation(name, x, 0.1), want, rtol, rtol)


@pytest.mark.parametrize("name", NAMES)
def test_the_references_gradient_is_the_slope(name):
    x = spread(200, np.float64, 4)
    x = x[np.abs(x) > 0.01]
    step = 1e-6
    slope = (
        reference.activation(name, x + step, 0.1) - reference.activation(name, x - step, 0.1)
    ) / (2 * step)
    saved = reference.activation(name, x, 0.1) if name in FROM_OUTPUT else x
    gx = reference.activation_backward(name, np.full_like(x, 3.0), saved, 0.1)
    np.testing.assert_allclose(gx, 3 * slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_exact_to_their_bounds(name, size, dtype):
    saved = spread(size, dtype, 9)
    if name in FROM_OUTPUT:
        saved = reference.activation(name, saved)
    grad = np.random.default_rng(1).standard_normal(size).astype(dtype)
    want = reference.activation_backward(
        name, grad.astype(np.float64), saved.astype(np.float64), 0.1
    )
    gx = cpp.activation_backward(name, grad, saved, 0.1)
    largest = np.maximum(np.abs(grad), np.abs(want)).astype(np.float64)
    assert gx.dtype == dtype
    times = 64 if name == "gelu_tanh" else 16  # its terms grow with x squared before they cancel
    assert (np.abs(gx - want) <= times * np.finfo(dtype).eps * largest).all()


def test_relus_gradient_is_exact_where_there_is_none():
    y = np.array([0.0, 2.0, np.nan, 0.0], np.float32)
    grad = np.array([np.inf, 1.0, 2.0, np.nan], np.float32)
    for room in (cpp, reference):
        np.testing.assert_array_equal(room.activation_backward("relu", grad, y), [0, 1, 2, 0])


def test_relu6s_gradient_is_exact_where_there_is_none():
    y = np.array([0.0, 2.0, np.nan, 6.0, 0.0, 6.0], np.float32)
    grad = np.array([np.inf, 1.0, 2.0, 3.0, np.nan, np.inf], np.float32)
    for room in (cpp, reference):
        got = room.activation_backward("relu6", grad, y)
        np.testing.assert_array_equal(got, [0, 1, 2, 0, 0, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_sums_are_clipped_exactly(size, dtype):
    a, b = spread(size, dtype, 9), spread(size, dtype, 9)[::-1]
    a[:1] = np.nan
    for room in (cpp, reference):
        y = room.add_relu(a, b)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, np.maximum(a + b, 0))
    with pytest.raises(ValueError, match="add_relu: a and b must have one shape"):
        cpp.add_relu(a, np.zeros(size + 1, dtype))


@pytest.mark.parametrize("name", NAMES)
def test_any_strides_are_taken(name):
    x = spread(35, np.float32, 4).reshape(5, 7)
    y = cpp.activation(name, x.T, 0.1)
    assert y.shape == (7, 5)
    np.testing.assert_array_equal(y, cpp.activation(name, x, 0.1).T)
    np.testing.assert_array_equal(
        cpp.activation_backward(name, x.T, x[::-1, ::-1].T, 0.1),
        cpp.activation_backward(name, x, x[::-1, ::-1].copy(), 0.1).T,
    )


def test_misaligned_memory_is_copied():
    raw = np.zeros(4 * 9 + 1, np.uint8)[1:].view(np.float32)
    raw[:] = np.arange(-4, 5)
    np.testing.assert_array_equal(cpp.activation("relu", raw), [0, 0, 0, 0, 0, 1, 2, 3, 4])


def test_an_unknown_name_is_refused():
    for room in (cpp, reference):
        with pytest.raises(ValueError, match=r"activation: name must be one of .* got 'softmax'"):
            room.activation("softmax", np.zeros(2, np.float32))


def test_other_dtypes_and_shapes_are_refused():
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"activation: x must be a float32 array, got .*int64"):
        cpp.activation("relu", np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="activation_backward: saved must be a float32"):
        cpp.activation_backward("relu", x, x.astype(np.float64))
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(3, 2\)"):
        cpp.activation_backward("relu", x, x.reshape(3, 2))
    with pytest.raises(ValueError, match="channel_sum: x must have shape"):
        cpp.channel_sum(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="one shape"):
        cpp.relu_channel_sum(x, x.reshape(3, 2))


# ---- dropout ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (7,), (3, 33), (20, 1000)])
def test_dropout_is_exact(shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    draws = np.random.default_rng(1).random(shape, dtype=dtype)
    draws[..., :1] = 0.75  # as large as p: kept
    y = cpp.dropout(x, draws, 0.75)
    np.testing.assert_array_equal(y, np.where(draws >= 0.75, 4 * x, 0))
    np.testing.assert_array_equal(reference.dropout(x, draws, 0.75), y)
    np.testing.assert_array_equal(cpp.dropout(x.T, draws.T, 0.75), y.T)
    assert y.dtype == dtype


@pytest.mark.parametrize("room", [cpp, reference])
def test_dropped_infinities_are_nan_exactly(room):
    x, draws = np.array([np.inf, 1, np.nan], np.float32), np.zeros(3, np.float32)
    np.testing.assert_array_equal(room.dropout(x, draws, 0.5), [np.nan, 0, np.nan])


def test_dropout_refuses_what_does_not_fit():
    x = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\)"):
        cpp.dropout(x, x, 1.0)
    with pytest.raises(ValueError, match="must have one shape"):
        cpp.dropout(x, np.zeros(4, np.float32), 0.5)


# ---- sums over channels ----

SHAPES = [
    (4, 3), (1, 1), (70, 33), (300, 17), (2, 3, 1), (3, 5, 2, 2), (2, 4, 15), (5, 3, 4, 16),
    (2, 3, 8, 16), (9, 7, 13, 11), (0, 3, 4), (3, 0, 4), (2, 3, 0), (200, 8, 25), (1, 300, 130),
    (3, 70, 40, 40),
]  # fmt: skip


def whole(shape, dtype, seed=0):
    """Small whole numbers: every sum is exact, so kernels must agree bit for bit."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_channel_sums_are_exact(shape, dtype):
    grad, y = whole(shape, dtype), whole(shape, dtype, 1)
    axes = (0, *range(2, len(shape)))
    kept = np.where(y > 0, grad, 0)
    for room in (cpp, reference):
        np.testing.assert_array_equal(room.channel_sum(grad), grad.sum(axes))
        gx, total = room.relu_channel_sum(grad, y)
        np.testing.assert_array_equal(gx, kept)
        np.testing.assert_array_equal(total, kept.sum(axes))
        assert gx.dtype == total.dtype == dtype


@given(
    shape=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
@example(shape=[64, 16, 16, 16], dtype=np.float32, seed=0)
def test_channel_sums_stay_within_their_bound(shape, dtype, seed):
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    axes = (0, *range(2, len(shape)))
    terms = 64 + x.size / x.shape[1] / 4
    bound = terms * np.finfo(dtype).eps * np.abs(x).astype(np.float64).sum(axes)
    assert (np.abs(cpp.channel_sum(x) - x.astype(np.float64).sum(axes)) <= bound).all()


def test_channels_last_and_cut_arrays_are_taken():
    x = whole((4, 6, 5, 3), np.float32)
    moved = x.transpose(0, 3, 1, 2)  # the memory of channels last
    np.testing.assert_array_equal(cpp.channel_sum(moved), moved.sum((0, 2, 3)))
    cut = x[:, ::2]
    np.testing.assert_array_equal(
        cpp.relu_channel_sum(cut, cut)[1], np.maximum(cut, 0).sum((0, 2, 3))
    )


@pytest.fixture(params=[1, 2, 3, 7])
def threads(request):
    before = _core.get_num_threads()
    _core.set_num_threads(request.param)
    yield request.param
    _core.set_num_threads(before)


def test_threads_change_no_bit_exactly(threads):
    x = np.random.default_rng(0).standard_normal((130, 20, 9, 9)).astype(np.float32)
    gx, total = cpp.relu_channel_sum(x, x)
    tanh = cpp.activation("tanh", x)
    _core.set_num_threads(1)
    np.testing.assert_array_equal(cpp.relu_channel_sum(x, x)[0], gx)
    np.testing.assert_array_equal(cpp.relu_channel_sum(x, x)[1], total)
    np.testing.assert_array_equal(cpp.activation("tanh", x), tanh)
