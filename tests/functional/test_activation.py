"""Activations: shapes of slopes, fixed points, long arrays and refusals; gradients are in elementwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.gates.erf import erf
from tinygrad_cv.testing import gradcheck, gradgradcheck

X = np.random.default_rng(1).standard_normal((2, 3, 4, 2))


@pytest.mark.parametrize("shape", [(3,), (1,), ()])
def test_prelu_has_a_slope_for_each_channel_or_for_all(shape):
    w = np.full(shape, 0.25) + np.arange(math.prod(shape)).reshape(shape)
    want = np.where(X > 0, X, X * (w.reshape(3, 1, 1) if shape == (3,) else w))
    np.testing.assert_allclose(F.prelu(tg.tensor(X), tg.tensor(w)).numpy(), want)
    gradcheck(F.prelu, (X, w))
    gradgradcheck(F.prelu, (X, w))


@pytest.mark.torch
@pytest.mark.parametrize("slopes", [3, 1])
def test_prelu_agrees_with_torch(agree, slopes):
    agree("F.prelu(x, w)", x=X, w=np.linspace(-0.5, 0.5, slopes))


@pytest.mark.torch
@pytest.mark.parametrize("dim", [0, 2, -1, 3])
def test_glu_agrees_with_torch(agree, dim):
    agree(f"F.glu(x, {dim})", x=X)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=40))
def test_erf_agrees_with_the_standard_library(values):
    x = np.array(values)
    np.testing.assert_allclose(erf(x), [math.erf(v) for v in values], rtol=1e-15, atol=0)


def test_erf_of_long_arrays_small_floats_and_ends():
    x = np.linspace(-7, 7, 40001)
    want = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(erf(x), want, rtol=1e-15)
    np.testing.assert_allclose(erf(x.astype(np.float32)), want, rtol=1e-6, atol=1e-7)
    assert erf(x.astype(np.float32)).dtype == np.float32
    assert erf(x.astype(np.float16)).dtype == np.float16
    np.testing.assert_array_equal(erf(np.array([-np.inf, np.inf, np.nan])), [-1.0, 1.0, np.nan])
    assert math.copysign(1, erf(np.array([-0.0]))[0]) == -1
    strided = x.reshape(-1, 1)[::-3]
    np.testing.assert_array_equal(erf(strided), erf(strided.copy()))


@pytest.mark.parametrize(
    ("function", "x", "want"),
    [
        (F.gelu, 1.0, 0.8413447460685429),  # the normal distribution function at 1
        (F.selu, -1.0, -1.1113307378125628),
        (F.silu, 1.0, 0.7310585786300049),
        (F.mish, 1.0, 0.8650983882673103),
        (F.softplus, 0.0, math.log(2)),
        (F.logsigmoid, 0.0, -math.log(2)),
        (F.hardswish, 1.0, 2 / 3),
        (F.softsign, -3.0, -0.75),
        (F.elu, -1.0, math.exp(-1) - 1),
    ],
)
def test_known_values(function, x, want):
    assert function(tg.tensor(np.array(x))).item() == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("x", [-1e4, -200.0, 200.0, 1e4])
@pytest.mark.parametrize(
    "function", [F.sigmoid, F.tanh, F.softplus, F.logsigmoid, F.silu, F.mish, F.gelu, F.selu, F.elu]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_inputs_stay_finite(function, x, dtype):
    t = tg.tensor(np.array([x], dtype), requires_grad=True)
    y = function(t)
    y.sum().backward()
    assert np.isfinite(y.item())
    assert np.isfinite(t.grad.item())


@pytest.mark.parametrize(
    "function", [F.relu, F.leaky_relu, F.gelu, F.silu, F.elu, F.softplus, F.hardtanh, F.hardswish]
)
def test_nan_goes_through(function):
    assert np.isnan(function(tg.tensor([math.nan])).item())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "softsign",
        "hardtanh",
        "relu6",
        "hardswish",
        "hardsigmoid",
        "logsigmoid",
        "sigmoid",
        "tanh",
    ],
)
def test_the_dtype_stays(name, dtype):
    x = tg.tensor(np.array([-2.0, 0.5]).astype(dtype), requires_grad=True)
    y = getattr(F, name)(x)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype


REFUSED = {
    "integers": (lambda: F.gelu(tg.ones(2).long()), TypeError, r"gelu: expected floats, got int64"),
    "arrays": (lambda: F.silu(np.ones(2)), TypeError, r"silu: expected a Tensor, got ndarray"),
    "approximate": (
        lambda: F.gelu(tg.ones(2), "erf"),
        ValueError,
        r"gelu: approximate must be 'none' or 'tanh', got 'erf'",
    ),
    "alpha": (lambda: F.celu(tg.ones(2), 0), ValueError, r"celu: alpha must not be 0"),
    "ends": (
        lambda: F.hardtanh(tg.ones(2), 1, -1),
        ValueError,
        r"hardtanh: min_val 1 is above max_val -1",
    ),
    "slopes": (
        lambda: F.prelu(tg.ones(2, 3, 4), tg.ones(4)),
        ValueError,
        r"prelu: weight \(4,\) has 4 slopes but input \(2, 3, 4\) has 3 channels",
    ),
    "matrix": (
        lambda: F.prelu(tg.ones(2, 3), tg.ones(1, 3)),
        ValueError,
        r"prelu: weight must have shape \(C,\), \(1,\) or \(\), got \(1, 3\)",
    ),
    "dtypes": (
        lambda: F.prelu(tg.ones(2, 3), tg.ones(3).double()),
        TypeError,
        r"prelu: input is float32 but weight float64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_refused(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_relu_refuses_what_is_no_tensor():
    with pytest.raises(TypeError, match="relu: input must be a Tensor, got list"):
        F.relu([1.0])


IN_PLACE = (
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "silu",
    "mish",
    "hardtanh",
    "relu6",
    "hardswish",
    "hardsigmoid",
)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_changes_the_input_and_the_graph(name):
    function = getattr(F, name)
    x, y = (tg.tensor(X, requires_grad=True) for _ in range(2))
    written = x * 2
    assert function(written, inplace=True) is written
    want = function(y * 2)
    np.testing.assert_array_equal(written.detach().numpy(), want.detach().numpy())
    weights = tg.tensor(np.cos(X))
    (written * weights).sum().backward()
    (want * weights).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def test_threshold_in_place():
    x = tg.tensor([-1.0, 0.5, 2.0])
    F.threshold(x, 0.5, 9.0, inplace=True)
    assert x.tolist() == [9.0, 9.0, 2.0]
