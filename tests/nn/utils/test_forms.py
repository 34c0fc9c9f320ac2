"""Fully connected layers as convolutions and back: the same numbers, and a net that slides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import models, nn
from tinygrad_cv.nn import utils


@given(
    c=st.integers(1, 3), h=st.integers(1, 4), w=st.integers(1, 4), o=st.integers(1, 3),
    bias=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_there_and_back_computes_the_same(c, h, w, o, bias, seed):
    generator = tg.Generator(seed)
    linear = nn.Linear(c * h * w, o, bias, dtype=tg.float64, generator=generator)
    x = tg.randn(2, c, h, w, dtype=tg.float64, generator=generator)
    conv = utils.linear_to_conv(linear, (c, h, w))
    want = linear(x.reshape(2, -1)).numpy()
    np.testing.assert_allclose(conv(x).numpy().reshape(2, o), want, rtol=1e-12)
    back = utils.conv_to_linear(conv)
    assert repr(back) == repr(linear)
    np.testing.assert_array_equal(back.weight.numpy(), linear.weight.numpy())
    assert not np.shares_memory(conv.weight.array, linear.weight.array)
    assert not np.shares_memory(back.weight.array, conv.weight.array)


def test_a_network_slides_over_a_larger_image():
    net = models.LeNet5(generator=tg.Generator(0)).double()
    sliding = nn.Sequential(
        *net[:6],
        utils.linear_to_conv(net.fc1, (16, 5, 5)),
        nn.ReLU(),
        utils.linear_to_conv(net.fc2),
        nn.ReLU(),
        utils.linear_to_conv(net.fc3),
    )
    # The padding of the first layer sees the image's edge, so it is done beforehand.
    sliding[0].padding = (0, 0)
    image = tg.randn(1, 1, 40, 36, dtype=tg.float64, generator=tg.Generator(1))
    scores = sliding(image).numpy()
    assert scores.shape == (1, 10, 3, 2)
    for p, q in np.ndindex(3, 2):
        crop = image[:, :, 4 * p : 4 * p + 32, 4 * q : 4 * q + 32]
        np.testing.assert_allclose(net(crop).numpy()[0], scores[0, :, p, q], rtol=1e-9)


def test_modes_and_frozen_weights_carry_over():
    linear = nn.Linear(4, 2).eval().requires_grad_(False)
    conv = utils.linear_to_conv(linear, (1, 2, 2))
    assert not conv.training
    assert not conv.weight.requires_grad
    assert not utils.conv_to_linear(conv).training


def test_volumes_and_convolutions_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 3, 3\) holds 18 numbers .* has 16 in_features"):
        utils.linear_to_conv(nn.Linear(16, 2), (2, 3, 3))
    with pytest.raises(ValueError, match="without padding, dilation and groups"):
        utils.conv_to_linear(nn.Conv2d(1, 1, 3, padding=1))
