"""Networks by name for images of a shape, and what does not fit."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg
from tinygrad_cv.training import build
from tinygrad_cv.training.architectures import ARCHITECTURES, is_pattern

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_gives_scores(name):
    shape = GREY if name == "lenet" else COLOUR
    net = build(name, shape, 7, {}).eval()
    with tg.no_grad():
        assert net(tg.zeros(1, *shape)).shape == (1, 7)


def test_settings_are_taken():
    net = build("mlp", COLOUR, 10, {"hidden": [50, 20], "dropout": 0.3})
    assert [net.get_submodule(f"fc{i}").out_features for i in (1, 2, 3)] == [50, 20, 10]
    assert net.dropout1.p == 0.3
    net = build("convnet", COLOUR, 10, {"filters": [4, 8, 16], "hidden": [30, 20], "dropout": 0.1})
    assert [net.get_submodule(f"conv{i}").out_channels for i in (1, 2, 3)] == [4, 8, 16]
    assert [net.get_submodule(f"fc{i}").out_features for i in (1, 2, 3)] == [30, 20, 10]
    assert net.dropout1.p == 0.1
    assert build("convnet", COLOUR, 10, {"hidden": 6}).fc1.out_features == 6
    assert build("convnet", COLOUR, 10, {}).fc1.out_features == 10
    net = build("vgg11", COLOUR, 10, {"hidden": 20})
    assert net.classifier[3].in_features == 20


@pytest.mark.parametrize(("side", "blocks"), [(32, 3), (28, 2), (96, 3), (31, 0)])
def test_convnet_pools_as_often_as_the_image_can_be_halved(side, blocks):
    net = build("convnet", (1, side, side), 5, {})
    assert sum(name.startswith("pool") for name, _ in net.named_children()) == blocks


def test_a_pattern_is_built_as_it_stands():
    pattern = "INPUT => CONV => RELU => POOL => FC"
    net = build(pattern, COLOUR, 10, {"filters": 6, "kernel_size": 5, "fit": "floor"})
    assert net.pattern() == pattern
    assert net.conv1.kernel_size == (5, 5)


@pytest.mark.parametrize(
    ("name", "yes"),
    [("INPUT -> FC", True), (" input -> FC", True), ("CONV -> FC", True), ("INPUT", True),
     ("lenet", False), ("inputs", False)],
)  # fmt: skip
def test_what_is_a_pattern(name, yes):
    assert is_pattern(name) == yes


@pytest.mark.parametrize(
    ("name", "shape", "settings", "message"),
    [
        ("alexnot", GREY, {}, "expected lenet, mlp, .*, or a pattern that begins with INPUT, got"),
        ("lenet", COLOUR, {}, "takes images of 28 x 28 but these are 32 x 32; convnet takes any"),
        ("vgg11", GREY, {}, "takes 32 x 32, but these are 28 x 28"),
        ("lenet", GREY, {"filters": 3}, "lenet has no setting filters; it has none"),
        ("mlp", GREY, {"filters": 3}, "mlp has no setting filters; it has hidden, dropout"),
        ("INPUT -> FC", GREY, {"pool": 3}, "a pattern has no setting pool; it has filters, kernel"),
        ("INPUT -> CNOV -> FC", GREY, {}, "unknown layer 'CNOV'; did you mean CONV?, in column 10"),
        ("CONV -> FC", GREY, {}, "a pattern begins with INPUT, in column 1"),
    ],
)
def test_what_does_not_fit(name, shape, settings, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        build(name, shape, 10, settings)
