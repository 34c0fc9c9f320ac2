"""Augmentations from a text, as a command line takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tinygrad_cv.data.augment.augmentation import Augmentation, Compose
from tinygrad_cv.data.augment.colour import ColorJitter
from tinygrad_cv.data.augment.geometry import (
    ElasticTransform,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
)
from tinygrad_cv.data.augment.mixing import CutMix, MixUp, RandomErasing

if TYPE_CHECKING:
    from collections.abc import Callable


class Named(NamedTuple):
    """An augmentation by name: what its number means, its usual one, and how it is made."""

    number: str
    usual: float
    make: Callable[[float, tuple[int, int], int], Augmentation]


NAMES = {
    "flip": Named("probability", 0.5, lambda n, _s, _k: RandomHorizontalFlip(n)),
    "crop": Named("pixels of padding", 4, lambda n, s, _k: RandomCrop(s, int(n))),
    "rotate": Named("degrees", 10, lambda n, _s, _k: RandomRotation(n)),
    "affine": Named(
        "degrees, with moves and scales of a tenth", 10,
        lambda n, _s, _k: RandomAffine(n, (0.1, 0.1), (0.9, 1.1), n),
    ),
    "elastic": Named("pixels", 1.5, lambda n, _s, _k: ElasticTransform(n)),
    "jitter": Named("of brightness and contrast", 0.2, lambda n, _s, _k: ColorJitter(n, n)),
    "erase": Named("probability", 0.5, lambda n, _s, _k: RandomErasing(n)),
    "mixup": Named("alpha", 0.2, lambda n, _s, k: MixUp(n, num_classes=k)),
    "cutmix": Named("alpha", 1.0, lambda n, _s, k: CutMix(n, num_classes=k)),
}  # fmt: skip


def named(text: str, size: tuple[int, int], num_classes: int) -> Compose:
    """Augmentations from names and numbers: ``crop:4,flip`` or ``affine:15,erase``.

    Parameters
    ----------
    text : str
        Names with a comma between them; a number after a colon replaces the usual one.
    size : (rows, columns)
        Of the images.
    num_classes : int

    Raises
    ------
    ValueError
        An unknown name, what is no number, or one out of range.

    Examples
    --------
    >>> named("crop:2,flip", (28, 28), 10)
    Compose([RandomCrop(28, padding=2), RandomHorizontalFlip(p=0.5)])
    """
    made = []
    for part in text.split(","):
        name, _, given = part.strip().partition(":")
        if name not in NAMES:
            raise ValueError(f"augment: expected {', '.join(NAMES)}, got {name!r}")
        kind = NAMES[name]
        made.append(kind.make(_number(name, given, kind), size, num_classes))
    return Compose(made)


def _number(name: str, given: str, kind: Named) -> float:
    if not given:
        return kind.usual
    try:
        return float(given)
    except ValueError:
        raise ValueError(
            f"augment: {name} takes a number ({kind.number}), such as {name}:{kind.usual:g}, got "
            f"{given!r}"
        ) from None
