"""Layers: what they compute, what they start from, how they print, what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import nn


@given(n=st.integers(0, 4), i=st.integers(1, 6), o=st.integers(1, 6), seed=st.integers(0, 999))
def test_linear_is_x_times_w_transposed_plus_b(n, i, o, seed):
    layer = nn.Linear(i, o, dtype=tg.float64, generator=tg.Generator(seed))
    x = np.random.default_rng(seed).standard_normal((n, i))
    want = x @ layer.weight.numpy().T + layer.bias.numpy()
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), want, rtol=1e-12, atol=1e-12)


def test_conv2d_layer_slides_its_filters():
    layer = nn.Conv2d(2, 3, (2, 3), stride=(2, 1), padding=1, generator=tg.Generator(0))
    x = tg.randn(1, 2, 5, 6, generator=tg.Generator(1))
    y = layer(x).numpy()
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    assert y.shape == (1, 3, 3, 6)
    for o, p, q in np.ndindex(3, 3, 6):
        window = padded[0, :, 2 * p : 2 * p + 2, q : q + 3]
        want = (window * layer.weight.numpy()[o]).sum() + layer.bias.numpy()[o]
        assert y[0, o, p, q] == pytest.approx(want, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [(nn.Linear(1600, 40, generator=tg.Generator(5)), 1600),
     (nn.Conv2d(64, 40, 5, generator=tg.Generator(5)), 1600),
     (nn.Conv2d(64, 80, 5, groups=4, generator=tg.Generator(5)), 400),
     (nn.Conv1d(320, 40, 5, generator=tg.Generator(5)), 1600),
     (nn.ConvTranspose2d(40, 64, 5, generator=tg.Generator(5)), 1600)],
    ids=["linear", "conv", "grouped", "conv1d", "transposed"],
)  # fmt: skip
def test_bare_layers_start_as_pytorchs(layer, fan_in):
    bound = 1 / math.sqrt(fan_in)
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    assert 0.999 * bound < np.abs(weight).max() <= bound * (1 + 1e-6)
    assert weight.var() == pytest.approx(bound**2 / 3, rel=0.03)
    assert 0.7 * bound < np.abs(bias).max() <= bound
    assert bias.min() < 0 < bias.max()


def test_layers_without_bias_and_in_float64():
    layer = nn.Linear(2, 3, bias=False, dtype=tg.float64)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert layer.weight.dtype == np.float64
    assert nn.Conv2d(1, 1, 3, bias=False).bias is None


def test_same_seed_same_bits():
    tg.manual_seed(11)
    first = [nn.Linear(5, 4), nn.Conv2d(2, 3, 3)]
    tg.manual_seed(11)
    second = [nn.Linear(5, 4), nn.Conv2d(2, 3, 3)]
    for a, b in zip(first, second, strict=True):
        assert a.weight.numpy().tobytes() == b.weight.numpy().tobytes()
        assert a.bias.numpy().tobytes() == b.bias.numpy().tobytes()


def test_reset_parameters_draws_anew():
    layer = nn.Linear(3, 3, generator=tg.Generator(1))
    before = layer.weight.tolist()
    layer.reset_parameters(tg.Generator(2))
    assert layer.weight.tolist() != before
    layer.reset_parameters(tg.Generator(1))
    assert layer.weight.tolist() == before


def test_dropout_acts_while_training_only():
    layer = nn.Dropout(0.25, generator=tg.Generator(0))
    x = tg.ones(100, 100)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert layer.eval()(x) is x


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.Dropout2d, (50, 40, 3, 3)), (nn.Dropout1d, (50, 40, 9))]
)
def test_dropout_of_whole_channels(kind, shape):
    layer = kind(keep=0.75, generator=tg.Generator(0))
    y = layer(tg.ones(shape)).numpy().reshape(2000, 9)
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert (y == y[:, :1]).all()
    assert (y[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.03)
    x = tg.ones(shape)
    assert layer.eval()(x) is x


def test_alpha_dropout_keeps_mean_and_variance():
    x = tg.randn(100_000, generator=tg.Generator(1))
    y = nn.AlphaDropout(0.3, generator=tg.Generator(0))(x).numpy()
    assert (y != x.numpy()).mean() > 0.99
    assert abs(y.mean()) < 0.02
    assert y.std() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("kwargs", "p"), [({}, 0.5), ({"p": 0.0}, 0.0), ({"keep": 0.9}, 0.1),
                                           ({"keep": 1.0}, 0.0)])  # fmt: skip
def test_dropout_takes_the_probability_to_drop_or_to_keep(kwargs, p):
    assert nn.Dropout(**kwargs).p == pytest.approx(p)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"p": 0.5, "keep": 0.5}, r"p=0.5 \(to drop\) and keep=0.5 \(to keep\)"),
     ({"p": 1.5}, r"Dropout: p is a probability, in \[0, 1\], got 1.5"),
     ({"keep": -0.1}, "keep is a probability")],
)  # fmt: skip
def test_dropout_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        nn.Dropout(**kwargs)


@pytest.mark.parametrize(
    "layer",
    [nn.ReLU(True), nn.ReLU6(True), nn.SELU(True), nn.SiLU(True), nn.Mish(True),
     nn.Hardswish(True), nn.Hardsigmoid(True), nn.LeakyReLU(0.1, True), nn.ELU(1.0, True),
     nn.CELU(1.0, True), nn.Hardtanh(inplace=True), nn.Threshold(0.0, -1.0, True)],
    ids=str,
)  # fmt: skip
def test_in_place_activations_write_over_their_input(layer):
    x = tg.randn(50, generator=tg.Generator(0))
    layer.inplace = False
    want = layer(x).tolist()
    layer.inplace = True
    y = layer(x)
    assert y is x
    assert x.tolist() == want


def test_pools_flatten_relu_identity():
    x = tg.arange(16).float().reshape(1, 1, 4, 4)
    assert nn.MaxPool2d(2)(x).tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert nn.AvgPool2d(2, stride=2)(x).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert nn.MaxPool2d(3, 1, padding=1)(x).shape == (1, 1, 4, 4)
    values, places = nn.MaxPool2d(2, return_indices=True)(x)
    assert values.tolist() == nn.MaxPool2d(2)(x).tolist()
    assert places.tolist() == [[[[5, 7], [13, 15]]]]
    assert nn.Flatten()(x).shape == (1, 16)
    assert nn.Flatten(0, 2)(x).shape == (4, 4)
    assert nn.ReLU()(tg.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert nn.Identity(54, unused=True)(x) is x


def test_a_pool_says_where_its_values_were_inside_a_network_too():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, generator=tg.Generator(0)),
        nn.ReLU(),
        nn.MaxPool2d(2, return_indices=True),
    )
    x = tg.randn(1, 1, 6, 6, generator=tg.Generator(1))
    values, places = net(x)
    rectified = net[1](net[0](x)).numpy().reshape(2, 36)
    found = np.take_along_axis(rectified, places.numpy().reshape(2, 9), 1)
    np.testing.assert_allclose(values.detach().numpy().reshape(2, 9), found, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Linear(3, 2, bias=False), "Linear(in_features=3, out_features=2, bias=False)"),
        (nn.Conv2d(3, 8, 3), "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))"),
        (
            nn.Conv2d(4, 8, 3, 2, padding=(1, 2), dilation=2, groups=2, bias=False),
            "Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 2), dilation=(2, 2), "
            "groups=2, bias=False)",
        ),
        (nn.Conv2d(1, 1, 3, padding="same"),
         "Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), padding=same)"),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, "
                          "ceil_mode=False)"),
        (nn.AvgPool2d((2, 3)), "AvgPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0)"),
        (nn.Dropout(0.1), "Dropout(p=0.1, inplace=False)"),
        (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (nn.ReLU(), "ReLU()"),
        (nn.ReLU(inplace=True), "ReLU(inplace=True)"),
        (nn.Identity(), "Identity()"),
        (nn.ELU(0.5, inplace=True), "ELU(alpha=0.5, inplace=True)"),
        (nn.Maxout(3), "Maxout(pieces=3, dim=1)"),
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
         "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=reflect)"),
    ],
    ids=str,
)  # fmt: skip
def test_layers_print_as_pytorchs(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Linear(-1, 2), ValueError, "Linear: in_features must be at least 0, got -1"),
        (lambda: nn.Linear(1.5, 2), TypeError, "Linear: in_features must be an int, got 1.5"),
        (lambda: nn.Conv2d(3, 0, 3), ValueError, "Conv2d: out_channels must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels=3 is not a multiple of gr"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels=3 is not a multiple of"),
        (lambda: nn.Conv2d(1, 1, 0), ValueError, "kernel_size must be at least 1, got 0"),
        (lambda: nn.Conv2d(1, 1, 3, stride=-1), ValueError, "stride must be at least 1, got -1"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), ValueError, "'same' or 'valid', got 'full'"),
        (lambda: nn.Conv2d(1, 1, 3, 2, padding="same"), ValueError, "'same' needs stride 1"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode must be"),
        (lambda: nn.Conv1d(1, 1, (3, 3)), TypeError, r"Conv1d: kernel_size must be an int, got \(3"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, groups=2), ValueError, "in_channels=3 is not a mult"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"), ValueError, "must be ints and 'zeros'"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), ValueError, "and 'reflect'"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=-1), ValueError, "at least 0, got -1"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, 2)(tg.zeros(1, 1, 4, 4), (11, 9)), ValueError,
         r"output_size \(11, 9\) but an input \(1, 1, 4, 4\) gives from \(9, 9\) to \(10, 10\)"),
        (lambda: nn.ConvTranspose2d(1, 1, 3)(tg.zeros(1, 1, 4, 4), (9,)), ValueError,
         r"output_size \(9,\) needs 2 lengths"),
        (lambda: nn.Upsample(), ValueError, "give size or scale_factor, got size=None"),
        (lambda: nn.Upsample(4, 2.0), ValueError, "got size=4, scale_factor=2.0"),
        (lambda: nn.Dropout2d(1.5), ValueError, "Dropout2d: p is a probability"),
        (lambda: nn.Hardtanh(1.0, -1.0), ValueError, "min_val 1.0 is above max_val -1.0"),
        (lambda: nn.GELU("erf"), ValueError, "approximate must be 'none' or 'tanh', got 'erf'"),
        (lambda: nn.Linear(2, 2, dtype=tg.int64), TypeError, "only floats can be learned"),
        (lambda: nn.Linear(2, 2, device="tpu"), ValueError, "'tpu'"),
    ],
)  # fmt: skip
def test_layers_refuse_impossible_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_layers_name_what_does_not_fit_their_input():
    with pytest.raises(ValueError, match=r"input \(2, 5\) has 5 features but weight \(3, 4\)"):
        nn.Linear(4, 3)(tg.zeros(2, 5))
    with pytest.raises(ValueError, match="input has 1 channels but weight"):
        nn.Conv2d(3, 8, 3)(tg.zeros(1, 1, 8, 8))
