"""Starting values: their bounds, moments and structure, against the formulas of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.nn import init

# Of 40,000 uniform draws the largest falls short of the bound by more than 0.1 % with probability
# e^-40; the variance of as many draws is within 5 % by six standard deviations.
LARGE = (200, 200)
CONV = (64, 32, 5, 5)


def drawn(function, shape=LARGE, dtype=tg.float64, **kwargs):
    tensor = tg.empty(shape, dtype=dtype)
    assert function(tensor, generator=tg.Generator(7), **kwargs) is tensor
    return tensor.numpy()


def assert_uniform(values, bound):
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.999 * bound
    assert values.var() == pytest.approx(bound**2 / 3, rel=0.05)
    assert values.mean() == pytest.approx(0.0, abs=0.02 * bound)


def assert_normal(values, std):
    assert values.std() == pytest.approx(std, rel=0.03)
    assert values.mean() == pytest.approx(0.0, abs=0.03 * std)
    share_within_one_std = (np.abs(values) < std).mean()
    assert share_within_one_std == pytest.approx(0.6827, abs=0.015)


@pytest.mark.parametrize("shape", [LARGE, CONV])
def test_kaiming_by_fan_in_and_fan_out(shape):
    area = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    assert_uniform(drawn(init.kaiming_uniform_, shape), math.sqrt(6 / fan_in))
    assert_uniform(drawn(init.kaiming_uniform_, shape, a=math.sqrt(5)), 1 / math.sqrt(fan_in))
    assert_normal(drawn(init.kaiming_normal_, shape, nonlinearity="relu"), math.sqrt(2 / fan_in))
    assert_normal(drawn(init.kaiming_normal_, shape, mode="fan_out"), math.sqrt(2 / fan_out))


@pytest.mark.parametrize("shape", [(300, 150), CONV])
def test_xavier_by_average_and_by_fan_in(shape):
    area = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    average = math.sqrt(2 / (fan_in + fan_out))
    assert_normal(drawn(init.xavier_normal_, shape), average)
    assert_normal(drawn(init.xavier_normal_, shape, gain=2.0), 2 * average)
    assert_normal(drawn(init.xavier_normal_, shape, fan="in"), 1 / math.sqrt(fan_in))
    assert_uniform(drawn(init.xavier_uniform_, shape), math.sqrt(3) * average)
    assert_uniform(drawn(init.xavier_uniform_, shape, fan="in"), math.sqrt(3 / fan_in))


def test_lecun_is_one_over_fan_in():
    assert_normal(drawn(init.lecun_normal_, (300, 150)), 1 / math.sqrt(150))
    assert_uniform(drawn(init.lecun_uniform_, (300, 150)), math.sqrt(3 / 150))


def test_uniform_and_normal_with_their_parameters():
    values = drawn(init.uniform_, a=2.0, b=6.0)
    assert_uniform(values - 4.0, 2.0)
    assert_normal(drawn(init.normal_, mean=3.0, std=0.5) - 3.0, 0.5)


@pytest.mark.parametrize(
    ("a", "b"), [(-2.0, 2.0), (-1.0, 0.5), (3.0, 4.0), (-math.inf, -5.0), (6.0, 1000.0)]
)
def test_trunc_normal_has_the_density_of_the_normal_within_its_bounds(a, b):
    values = drawn(init.trunc_normal_, a=a, b=b)
    assert values.min() >= a
    assert values.max() <= b
    # The mean of a truncated normal: (phi(a) - phi(b)) / (Phi(b) - Phi(a)), by quadrature.
    low, high = max(a, -40.0), min(b, 40.0)
    grid = np.linspace(low, high, 2_000_001)
    density = np.exp(-(grid**2 - min(low**2, high**2)) / 2)
    mean = (grid * density).sum() / density.sum()
    spread = math.sqrt(((grid - mean) ** 2 * density).sum() / density.sum())
    assert values.mean() == pytest.approx(mean, abs=0.03 * spread)
    assert values.std() == pytest.approx(spread, rel=0.03)


def test_trunc_normal_scales_and_shifts():
    values = drawn(init.trunc_normal_, mean=10.0, std=0.5, a=9.5, b=10.5)
    assert np.abs(values - 10.0).max() <= 0.5
    assert values.mean() == pytest.approx(10.0, abs=0.01)


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 999))
def test_orthogonal_rows_or_columns(rows, columns, seed):
    tensor = tg.empty(rows, columns, dtype=tg.float64)
    m = init.orthogonal_(tensor, gain=3.0, generator=tg.Generator(seed)).numpy()
    product = m @ m.T if rows <= columns else m.T @ m
    np.testing.assert_allclose(product, 9.0 * np.eye(min(rows, columns)), atol=1e-12)


def test_orthogonal_counts_further_dimensions_as_one_and_takes_nothing():
    flat = drawn(init.orthogonal_, (4, 3, 5, 5)).reshape(4, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(4), atol=1e-12)
    assert init.orthogonal_(tg.empty(0, 3)).shape == (0, 3)


def test_sparse_zeroes_a_share_of_each_column():
    values = drawn(init.sparse_, (200, 50), sparsity=0.31)
    np.testing.assert_array_equal((values == 0).sum(0), 62)
    assert values[values != 0].std() == pytest.approx(0.01, rel=0.05)


def test_constants_eye_and_dirac():
    assert init.constant_(tg.empty(2), 0.5).tolist() == [0.5, 0.5]
    assert init.ones_(tg.empty(2)).tolist() == [1.0, 1.0]
    assert init.zeros_(tg.empty(2)).tolist() == [0.0, 0.0]
    assert init.eye_(tg.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_passes_channels_on(groups):
    conv = nn.Conv2d(4, 6, 3, padding=1, bias=False, groups=groups)
    init.dirac_(conv.weight, groups)
    x = tg.randn(2, 4, 5, 5, generator=tg.Generator(1))
    y = conv(x).numpy()
    per_group = 4 // groups
    for g in range(groups):
        first = g * (6 // groups)
        kept = min(6 // groups, per_group)
        want = x.numpy()[:, g * per_group : g * per_group + kept]
        np.testing.assert_allclose(y[:, first : first + kept], want, rtol=1e-6)
        assert (y[:, first + kept : (g + 1) * (6 // groups)] == 0).all()


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [("linear", None, 1.0), ("conv2d", None, 1.0), ("sigmoid", None, 1.0), ("tanh", None, 5 / 3),
     ("relu", None, math.sqrt(2)), ("leaky_relu", None, math.sqrt(2 / 1.0001)),
     ("leaky_relu", 1.0, 1.0), ("selu", None, 0.75)],
)  # fmt: skip
def test_gains(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain)


def test_the_seed_decides_and_the_default_generator_is_used():
    tg.manual_seed(3)
    first = init.normal_(tg.empty(5)).tolist()
    assert init.normal_(tg.empty(5)).tolist() != first
    tg.manual_seed(3)
    assert init.normal_(tg.empty(5)).tolist() == first
    assert init.normal_(tg.empty(5), generator=tg.Generator(3)).tolist() == first


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
def test_every_float_dtype_and_strided_tensors_are_filled(dtype):
    base = tg.zeros(4, 6, dtype=dtype)
    init.uniform_(base.T[1:], 1.0, 2.0)
    assert (base.numpy()[:, 0] == 0).all()
    assert (base.numpy()[:, 1:] >= 1).all()


def test_a_write_between_forward_and_backward_is_seen():
    layer = nn.Linear(2, 1)
    loss = layer(tg.ones(1, 2, requires_grad=True)).sum()
    init.ones_(layer.weight)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: init.kaiming_normal_(t), r"kaiming_normal_: fans need at least 2 .* \(3,\)"),
        (lambda t: init.xavier_uniform_(t), r"xavier_uniform_: fans need at least 2"),
        (lambda t: init.xavier_normal_(tg.empty(2, 2), fan="out"), "'average' or 'in', got 'out'"),
        (lambda t: init.kaiming_uniform_(tg.empty(2, 2), mode="in"), "'fan_out', got 'in'"),
        (lambda t: init.calculate_gain("swish"), "nonlinearity must be .* got 'swish'"),
        (lambda t: init.uniform_(t, 2.0, 1.0), "a must be at most b, got a=2.0, b=1.0"),
        (lambda t: init.normal_(t, 0.0, -1.0), "std must be at least 0, got -1.0"),
        (lambda t: init.trunc_normal_(t, a=1.0, b=1.0), "a must be below b"),
        (lambda t: init.trunc_normal_(t, std=0.0), "std must be above 0"),
        (lambda t: init.eye_(t), r"eye_: tensor must have 2 dimensions, got shape \(3,\)"),
        (lambda t: init.sparse_(t, 0.5), r"sparse_: tensor must have 2 dimensions"),
        (lambda t: init.sparse_(tg.empty(2, 2), 1.5), r"sparsity must be in \[0, 1\], got 1.5"),
        (lambda t: init.orthogonal_(t), r"orthogonal_: tensor must have at least 2"),
        (lambda t: init.dirac_(tg.empty(2, 2)), r"dirac_: tensor must have 3 to 5 dimensions"),
        (lambda t: init.dirac_(tg.empty(3, 1, 3, 3), 2), "3 output channels .* groups=2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(tg.empty(3))
