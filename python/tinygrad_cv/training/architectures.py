"""The networks that a run can be of, by name: how each is built for images of a shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv import models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tinygrad_cv.nn import Module

Shape = tuple[int, int, int]  # channels, rows, columns


class Architecture(NamedTuple):
    """A network by name."""

    build: Callable[..., Module]  # of the shape, the classes, and the settings that were given
    settings: tuple[str, ...]


def build(name: str, shape: Shape, classes: int, settings: Mapping[str, Any]) -> Module:
    """The network of that name with fresh weights.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`, or a pattern such as ``INPUT -> CONV -> RELU -> POOL -> FC``.
    shape : (channels, rows, columns)
        Of the images.
    classes : int
    settings : mapping
        What differs from the network's own defaults: ``filters``, ``hidden``, ``dropout``, …

    Raises
    ------
    ValueError
        An unknown name, a setting that the network does not have, or images that do not fit.

    Examples
    --------
    >>> net = build("mlp", (1, 28, 28), 10, {"hidden": [100]})
    >>> sum(p.numel() for p in net.parameters())
    79510
    """
    if is_pattern(name):
        _check_settings("a pattern", settings, PATTERN_SETTINGS)
        return models.convnet(name, shape, classes, **settings)
    if name not in ARCHITECTURES:
        raise ValueError(
            f"model: expected {', '.join(ARCHITECTURES)}, or a pattern that begins with INPUT, got "
            f"{name!r}"
        )
    architecture = ARCHITECTURES[name]
    _check_settings(name, settings, architecture.settings)
    return architecture.build(shape, classes, **settings)


def is_pattern(name: str) -> bool:
    """Whether it is the layers themselves, rather than a name."""
    return re.match(r"\s*INPUT\b", name, re.IGNORECASE) is not None or "->" in name or "=>" in name


def _check_settings(name: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for setting in given:
        if setting not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"model: {name} has no setting {setting}; {has}")


def _lenet(shape: Shape, classes: int) -> Module:
    channels, *sides = shape
    if sides != [28, 28]:
        raise ValueError(
            f"model: lenet takes images of 28 x 28 but these are {sides[0]} x {sides[1]}; convnet "
            "takes any"
        )
    return models.LeNet5(classes, channels)


def _mlp(shape: Shape, classes: int, hidden: int | list[int] = 100, dropout: float = 0.0) -> Module:
    layers = [hidden] if isinstance(hidden, int) else list(hidden)
    return models.mlp([shape[0] * shape[1] * shape[2], *layers, classes], dropout=dropout)


def _convnet(shape: Shape, classes: int, **settings: Any) -> Module:
    """Three blocks, or as many as the image can be halved; hidden FCs and dropout if asked for."""
    halvings = min((side & -side).bit_length() - 1 for side in shape[1:])
    hidden = settings.get("hidden", [])
    layers = [
        "INPUT",
        f"[CONV -> BN -> RELU -> POOL]*{min(3, halvings)}",
        *["FC -> RELU"] * (1 if isinstance(hidden, int) else len(hidden)),
        *["DROPOUT"] * ("dropout" in settings),
        "FC",
    ]
    return models.convnet(" -> ".join(layers), shape, classes, **settings)


def _vgg(make: Callable[..., Module]) -> Callable[..., Module]:
    def built(shape: Shape, classes: int, **settings: Any) -> Module:
        least = min(shape[1:])
        if least < 32:
            raise ValueError(
                f"model: a VGG halves its images five times, which takes 32 x 32, but these are "
                f"{shape[1]} x {shape[2]}; convnet takes any"
            )
        small = least < 224  # made for 224 x 224; what is left of a small image needs less
        sizes = {"hidden": 512, "pooled": max(1, least // 32)} if small else {}
        return make(classes, shape[0], batch_norm=True, **{**sizes, **settings})

    return built


def _plain(make: Callable[..., Module]) -> Callable[..., Module]:
    def built(shape: Shape, classes: int) -> Module:
        return make(num_classes=classes, in_channels=shape[0])

    return built


PATTERN_SETTINGS = ("filters", "kernel_size", "padding", "hidden", "dropout", "fit")
ARCHITECTURES = {
    "lenet": Architecture(_lenet, ()),
    "mlp": Architecture(_mlp, ("hidden", "dropout")),
    "convnet": Architecture(_convnet, PATTERN_SETTINGS),
    "vgg11": Architecture(_vgg(models.vgg11), ("hidden",)),
    "vgg16": Architecture(_vgg(models.vgg16), ("hidden",)),
    "resnet18": Architecture(_plain(models.resnet18), ()),
    "resnet20": Architecture(_plain(models.resnet20), ()),
    "mobilenet_v2": Architecture(_plain(models.mobilenet_v2), ()),
}
