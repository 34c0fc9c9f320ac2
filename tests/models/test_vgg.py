"""VGG and AlexNet: the papers' sizes, torchvision's names, small forms that learn."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import models


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "parameters"),
    # torchvision's documented numbers.
    [(models.alexnet, 61_100_840), (models.vgg11, 132_863_336), (models.vgg16, 138_357_544)],
)
def test_parameters_at_1000_classes(make, parameters):
    assert count(make()) == parameters


@pytest.mark.parametrize(
    ("make", "convolutions"),
    [(models.vgg11, (0, 3, 6, 8, 11, 13, 16, 18)),
     (models.vgg16, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))],
)  # fmt: skip
def test_names_are_torchvisions(make, convolutions):
    net = make(num_classes=10, hidden=8, pooled=1)
    want = [f"features.{i}" for i in convolutions] + [f"classifier.{i}" for i in (0, 3, 6)]
    assert list(net.state_dict()) == [f"{n}.{kind}" for n in want for kind in ("weight", "bias")]
    assert net.state_dict()["features.0.weight"].shape == (64, 3, 3, 3)
    assert net.state_dict()[f"features.{convolutions[-1]}.weight"].shape == (512, 512, 3, 3)


def test_the_classifier_takes_the_volume_that_was_pooled():
    net = models.VGG((4, 0), num_classes=5, hidden=6, pooled=3)
    assert net.classifier[0].in_features == 4 * 3 * 3
    assert [net.classifier[i].out_features for i in (0, 3, 6)] == [6, 6, 5]
    assert net(tg.zeros(2, 3, 9, 9)).shape == (2, 5)


def test_batch_normalisation_stands_where_torchvision_has_it():
    net = models.VGG((4, 0, 8, 8, 0), num_classes=3, batch_norm=True, hidden=4, pooled=1)
    kinds = [type(layer).__name__ for layer in net.features]
    block = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds == [*block, "MaxPool2d", *block, *block, "MaxPool2d"]


def test_alexnet_has_torchvisions_names_and_shapes():
    shapes = {name: value.shape for name, value in models.AlexNet(7).state_dict().items()}
    weights = {name: shape for name, shape in shapes.items() if name.endswith("weight")}
    assert weights == {
        "features.0.weight": (64, 3, 11, 11),
        "features.3.weight": (192, 64, 5, 5),
        "features.6.weight": (384, 192, 3, 3),
        "features.8.weight": (256, 384, 3, 3),
        "features.10.weight": (256, 256, 3, 3),
        "classifier.1.weight": (4096, 9216),
        "classifier.4.weight": (4096, 4096),
        "classifier.6.weight": (7, 4096),
    }
    assert len(shapes) == 2 * len(weights)


def test_weights_start_from_he_and_biases_from_zero():
    net = models.vgg11(num_classes=3, hidden=50, pooled=1, generator=tg.Generator(0))
    for name, param in net.named_parameters():
        if name.endswith("bias"):
            assert (param.numpy() == 0).all()
    weight = net.features[18].weight.numpy()
    assert weight.std() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)


@pytest.mark.torch
def test_vgg_takes_pytorchs_weights_and_gives_its_scores_and_gradients():
    torch = pytest.importorskip("torch")
    conv, relu, pool = torch.nn.Conv2d, torch.nn.ReLU, torch.nn.MaxPool2d
    theirs = torch.nn.Sequential()
    theirs.features = torch.nn.Sequential(
        conv(3, 4, 3, padding=1), relu(), pool(2), conv(4, 8, 3, padding=1), relu(), pool(2)
    )
    theirs.avgpool = torch.nn.AdaptiveAvgPool2d((2, 2))
    theirs.flatten = torch.nn.Flatten()
    linear, drop = torch.nn.Linear, torch.nn.Dropout
    theirs.classifier = torch.nn.Sequential(
        linear(32, 6), relu(), drop(), linear(6, 6), relu(), drop(), linear(6, 5)
    )
    theirs = theirs.double().eval()
    ours = models.VGG((4, 0, 8, 0), num_classes=5, hidden=6, pooled=2).double().eval()
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((3, 3, 12, 12))
    labels = np.array([0, 4, 2])
    loss = tg.functional.cross_entropy(ours(tg.tensor(x)), tg.tensor(labels))
    other = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
    assert loss.item() == pytest.approx(other.item(), rel=1e-12)
    loss.backward()
    other.backward()
    for mine, param in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), param.grad.numpy(), rtol=1e-9, atol=1e-13)


def test_vgg_learns():
    generator = tg.Generator(0)
    net = models.VGG((8, 0, 16, 0), num_classes=2, batch_norm=True, in_channels=1, hidden=16,
                     pooled=1, dropout=0.1, generator=generator)  # fmt: skip
    labels = np.arange(40) % 2
    images = generator.numpy.standard_normal((40, 1, 8, 8), np.float32)
    images[labels == 1, :, :, 4:] += 1.0
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        loss = tg.functional.cross_entropy(net(tg.tensor(images)), tg.tensor(labels))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
