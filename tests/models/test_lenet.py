"""LeNet-5 has the text's layers and numbers, starts as He says, and learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import models, nn

SHAPES = {
    "conv1.weight": (6, 1, 5, 5), "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5), "conv2.bias": (16,),
    "fc1.weight": (120, 400), "fc1.bias": (120,),
    "fc2.weight": (84, 120), "fc2.bias": (84,),
    "fc3.weight": (10, 84), "fc3.bias": (10,),
}  # fmt: skip


def test_layers_in_the_texts_order():
    net = models.LeNet5()
    convolutional = [nn.Conv2d, nn.ReLU, nn.MaxPool2d] * 2
    fully_connected = [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in net] == [*convolutional, *fully_connected]
    assert {name: value.shape for name, value in net.state_dict().items()} == SHAPES
    assert sum(p.numel() for p in net.parameters()) == 61_706


def test_activation_volumes():
    x = tg.zeros(2, 1, 28, 28)
    volumes = []
    for layer in models.LeNet5():
        x = layer(x)
        volumes.append(x.shape[1:])
    assert volumes == [
        (6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5), (400,),
        (120,), (120,), (84,), (84,), (10,),
    ]  # fmt: skip


def test_starts_from_he_with_zero_biases():
    net = models.LeNet5(generator=tg.Generator(0))
    for name, param in net.named_parameters():
        values = param.numpy()
        if name.endswith("bias"):
            assert (values == 0).all()
        elif values.size > 2000:
            fan_in = math.prod(values.shape[1:])
            assert values.std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.06), name
            assert abs(values).max() > 2.9 * values.std()  # normal, not uniform


def test_arguments_and_seed():
    net = models.LeNet5(num_classes=3, in_channels=2, generator=tg.Generator(4))
    assert net(tg.zeros(1, 2, 28, 28)).shape == (1, 3)
    twin = models.LeNet5(3, 2, tg.Generator(4))
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_a_generator_of_its_own_leaves_the_default_one_alone():
    tg.manual_seed(0)
    want = tg.rand(3).tolist()
    tg.manual_seed(0)
    models.LeNet5(generator=tg.Generator(1))
    assert tg.rand(3).tolist() == want


def test_learns_a_handful_of_images_by_heart():
    generator = tg.Generator(0)
    net = models.LeNet5(generator=generator)
    images = tg.rand(20, 1, 28, 28, generator=generator)
    labels = tg.tensor(np.arange(20) // 2)
    optimizer = tg.optim.Adam(net.parameters(), lr=2e-3)
    first = None
    for _ in range(60):
        optimizer.zero_grad()
        loss = tg.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
    assert first > 2.0
    assert loss.item() < 0.05
    assert (net(images).numpy().argmax(1) == labels.numpy()).all()


def test_a_checkpoint_of_another_architecture_is_named():
    with pytest.raises(ValueError, match=r"do not fit LeNet5: '.*fc3\.weight' has shape \(7, 84\)"):
        models.LeNet5().load_state_dict(models.LeNet5(num_classes=7).state_dict())
