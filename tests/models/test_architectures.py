"""The classical architectures: sizes of the papers, torchvision's names, gradients everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import models, nn


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        # torchvision's documented numbers.
        (models.resnet18, 11_689_512),
        (models.resnet34, 21_797_672),
        (models.resnet50, 25_557_032),
        (models.mobilenet_v2, 3_504_872),
    ],
)
def test_parameters_at_1000_classes(make, parameters):
    assert count(make()) == parameters


def test_resnet20_has_the_papers_size():
    # The paper's table 6 says 0.27 million; its shortcuts have no parameters, ours 1x1 convolutions.
    shortcuts = 16 * 32 + 32 * 64 + 2 * 32 + 2 * 64
    assert count(models.resnet20()) - shortcuts == 269_722
    assert models.resnet20()(tg.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("make", [models.resnet18, models.resnet50, models.mobilenet_v2])
def test_small_images_and_other_classes_and_channels(make):
    model = make(num_classes=7, in_channels=1)
    assert model(tg.zeros(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (models.resnet18, {"conv1.weight": (64, 3, 7, 7), "layer2.0.downsample.0.weight":
            (128, 64, 1, 1), "layer4.1.bn2.running_var": (512,), "fc.bias": (1000,)}),
        (models.resnet50, {"layer1.0.conv3.weight": (256, 64, 1, 1),
            "layer3.5.conv2.weight": (256, 256, 3, 3), "layer1.0.downsample.1.weight": (256,)}),
        (models.mobilenet_v2, {"features.0.0.weight": (32, 3, 3, 3),
            "features.1.conv.0.0.weight": (32, 1, 3, 3), "features.2.conv.1.0.weight":
            (96, 1, 3, 3), "features.18.1.running_mean": (1280,), "classifier.1.weight":
            (1000, 1280)}),
    ],
)  # fmt: skip
def test_names_are_torchvisions(make, names):
    state = make().state_dict()
    for name, shape in names.items():
        assert state[name].shape == shape


@pytest.mark.parametrize("block", ["BasicBlock", "Bottleneck"])
def test_a_residual_network_begins_as_its_shortcuts(block):
    from tinygrad_cv.models import resnet

    part = getattr(resnet, block)(8 * (4 if block == "Bottleneck" else 1), 8, 1, tg.Generator(0))
    nn.init.zeros_(part.bn2.weight if block == "BasicBlock" else part.bn3.weight)
    x = tg.rand(2, part.conv1.in_channels, 4, 4, generator=tg.Generator(1))
    np.testing.assert_array_equal(part(x).numpy(), x.numpy())


def test_weights_start_from_he_and_last_norms_from_zero():
    net = models.resnet20(generator=tg.Generator(0))
    assert net.layer3[2].conv2.weight.numpy().std() == pytest.approx(
        math.sqrt(2 / (64 * 9)), rel=0.02
    )
    assert (net.layer3[2].bn2.weight.numpy() == 0).all()
    assert (net.fc.bias.numpy() == 0).all()
    twin = models.resnet20(generator=tg.Generator(0))
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


@pytest.mark.parametrize("make", [models.resnet20, models.mobilenet_v2])
def test_every_parameter_learns(make):
    net = make(num_classes=4, generator=tg.Generator(0))
    for name, param in net.named_parameters():
        if name.endswith("bn2.weight"):
            nn.init.ones_(param)
    x = tg.randn(4, 3, 32, 32, generator=tg.Generator(1))
    tg.functional.cross_entropy(net(x), tg.tensor([0, 1, 2, 3])).backward()
    assert all(np.abs(p.grad.numpy()).max() > 0 for p in net.parameters())


@pytest.mark.parametrize(("width", "channels"), [(1.0, 32), (0.5, 16), (0.35, 16), (1.4, 48)])
def test_mobilenets_channels_are_multiples_of_8(width, channels):
    net = models.MobileNetV2(num_classes=2, width_mult=width)
    assert net.features[0][0].out_channels == channels
    assert all(m.out_channels % 8 == 0 for m in net.modules() if isinstance(m, nn.Conv2d))


def test_depths_that_do_not_exist():
    with pytest.raises(ValueError, match=r"depth must be 6 n \+ 2 .*, got 21"):
        models.CifarResNet(21)
