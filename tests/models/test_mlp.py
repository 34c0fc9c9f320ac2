"""Fully connected networks of the sizes that were asked for."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg
from tinygrad_cv import models, nn


@pytest.mark.parametrize(
    ("sizes", "count"),
    [([4, 3], 15), ([3072, 100, 10], 308_310), ([3, 4, 4, 1], 41)],
)
def test_parameters_of_one_two_and_three_layer_nets(sizes, count):
    net = models.mlp(sizes)
    assert sum(p.numel() for p in net.parameters()) == count
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == sizes[1:]
    assert sum(isinstance(layer, nn.ReLU) for layer in net) == len(sizes) - 2
    assert not isinstance(net[-1], nn.ReLU)


def test_takes_images_and_rows():
    net = models.mlp([12, 5, 2], generator=tg.Generator(0))
    x = tg.rand(3, 3, 2, 2, generator=tg.Generator(1))
    assert net(x).tolist() == net(x.reshape(3, 12)).tolist()


def test_dropout_activation_and_start():
    net = models.mlp([400, 300, 2], dropout=0.3, activation=nn.Tanh, generator=tg.Generator(0))
    assert [type(layer) for layer in net] == [
        nn.Flatten, nn.Linear, nn.Tanh, nn.Dropout, nn.Linear,
    ]  # fmt: skip
    assert net.dropout1.p == 0.3
    assert net.fc1.weight.numpy().std() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert (net.fc1.bias.numpy() == 0).all()


def test_too_few_sizes():
    with pytest.raises(ValueError, match=r"sizes needs inputs and outputs at least, got \[3\]"):
        models.mlp([3])
