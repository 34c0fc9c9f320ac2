"""How accuracy falls as images change in the seven ways that make recognition hard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.data import augment
from tinygrad_cv.data.augment import SampleRandom
from tinygrad_cv.data.augment.mixing import rectangles
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.training.evaluation import device_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinygrad_cv.nn import Module

    Change = Callable[[NDArray[Any], float, SampleRandom], NDArray[Any]]

BATCH = 500


class Challenge(NamedTuple):
    """A way to change images, its levels from none on, and their unit."""

    name: str
    levels: tuple[float, ...]
    unit: str
    change: Change


class Curve(NamedTuple):
    """Accuracy at each level, and its deviation over the classes there."""

    levels: list[float]
    unit: str
    accuracy: list[float]
    spread: list[float]


def _affine(images: NDArray[Any], random: SampleRandom, **ranges: Any) -> NDArray[Any]:
    return augment.RandomAffine(ranges.pop("degrees", 0.0), **ranges)(images, random)


def _rotation(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    up = random.chance(0.5)[:, None, None, None]
    both = (_affine(images, random, degrees=(d, d)) for d in (level, -level))
    return np.where(up, *both)


def _shear(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    up = random.chance(0.5)[:, None, None, None]
    both = (_affine(images, random, shear=(d, d)) for d in (level, -level))
    return np.where(up, *both)


def _scale(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    up = random.chance(0.5)[:, None, None, None]
    both = (_affine(images, random, scale=(s, s)) for s in (level, 1 / level))
    return np.where(up, *both)


def _elastic(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    return augment.ElasticTransform(level * images.shape[3] / 100)(images, random)


def _patch(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    """A grey square of that share of the image, at a random place."""
    count, _, height, width = images.shape
    side = np.sqrt(level)
    sides = np.full(count, round(side * height)), np.full(count, round(side * width))
    inside = rectangles((height, width), sides, (random.uniform(), random.uniform()))
    return np.where(inside[:, None], np.asarray(0.5, images.dtype), images)


def _light(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    """Gain 1 / (1 + level) or gamma 1 + level, each for half of the samples."""
    dim = images / (1 + level)
    return np.where(random.chance(0.5)[:, None, None, None], dim, images ** (1 + level))


def _clutter(images: NDArray[Any], level: float, random: SampleRandom) -> NDArray[Any]:
    """Another image of the batch shines through."""
    partner = random.of_the_batch().permutation(len(images))
    return (1 - level) * images + level * images[partner]


CHALLENGES = (
    Challenge("rotation", (0, 10, 20, 30, 45), "degrees", _rotation),
    Challenge("shear", (0, 10, 20, 30, 40), "degrees", _shear),
    Challenge("scale", (1, 1.2, 1.4, 1.7, 2), "times larger or smaller", _scale),
    Challenge("deformation", (0, 4, 8, 12, 16), "% of the width", _elastic),
    Challenge("occlusion", (0, 0.05, 0.1, 0.2, 0.3), "share covered", _patch),
    Challenge("illumination", (0, 0.5, 1, 2, 4), "gain 1/(1+x) or gamma 1+x", _light),
    Challenge("background", (0, 0.1, 0.2, 0.3, 0.4), "share of another image", _clutter),
)


@no_grad()
def robustness(model: Module, data: Any, *, images: int = 1000, seed: int = 0) -> dict[str, Curve]:
    """Accuracy against growing change of the images.

    Parameters
    ----------
    model : Module
        Used in evaluation mode, and put back into the mode it was in.
    data : ImageDataset, or (images, labels)
        A data set's bytes are changed before its transform, which must take floats in [0, 1], as
        `Standardize` does; arrays are floats in [0, 1] and go into the network as they are changed.
    images : int
        At most so many, drawn by the seed.
    seed : int
        Also decides which way each image is changed.

    Returns
    -------
    dict of Curve
        By challenge: rotation and shear (viewpoint), scale, deformation, occlusion, illumination,
        background (clutter). The deviation of accuracy over the classes shows how differently they
        suffer (intra-class variation).

    Raises
    ------
    ValueError
        No images.

    References
    ----------
    CS231n notes, "Image classification", section on challenges.
    """
    pixels, labels, transform = _some(data, images, seed)
    if not len(pixels):
        raise ValueError("robustness: no images")
    training = model.training
    model.eval()
    try:
        return {
            challenge.name: _curve(model, pixels, labels, transform, challenge, seed + number)
            for number, challenge in enumerate(CHALLENGES)
        }
    finally:
        model.train(training)


def _curve(
    model: Module, pixels: Any, labels: Any, transform: Any, challenge: Challenge, key: int
) -> Curve:
    accuracies, spreads = [], []
    for level in challenge.levels:
        right = np.empty(len(pixels), bool)
        for start in range(0, len(pixels), BATCH):
            part = slice(start, start + BATCH)
            random = SampleRandom(key, np.arange(len(pixels))[part])
            changed = challenge.change(pixels[part], level, random).astype(np.float32)
            given = changed if transform is None else transform(changed)
            batch = given if isinstance(given, Tensor) else wrap(given)
            scores = model(batch.to(device_of(model))).cpu()
            right[part] = scores.numpy().argmax(axis=1) == labels[part]
        each = [right[labels == label].mean() for label in np.unique(labels)]
        accuracies.append(float(right.mean()))
        spreads.append(float(np.std(each)))
    return Curve(list(challenge.levels), challenge.unit, accuracies, spreads)


def _some(data: Any, count: int, seed: int) -> tuple[NDArray[Any], NDArray[Any], Any]:
    from tinygrad_cv.data.images import ImageDataset, to_float

    if isinstance(data, ImageDataset):
        pixels, labels, transform = data.images, data.labels, data.transform
    else:
        pixels, labels = (np.asarray(getattr(t, "array", t)) for t in data)
        transform = None
    order = np.random.default_rng(seed).permutation(len(pixels))[:count]
    some = pixels[order]
    return (to_float(some) if some.dtype == np.uint8 else some), labels[order], transform
