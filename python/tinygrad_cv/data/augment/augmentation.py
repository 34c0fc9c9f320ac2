"""What an augmentation is, and several of them in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_cv.data.augment.sample_random import SampleRandom


class Augmentation:
    """Base class: called with a batch of images and its random numbers, it gives new images.

    A subclass defines ``__call__(images, random)``; the images that it gets stay as they are, may
    belong to several batches, and are each changed by itself. One that changes labels as well, or
    looks at a batch as a whole, overrides ``batch``.

    Examples
    --------
    >>> from tinygrad_cv.data.augment import SampleRandom
    >>> class Dim(Augmentation):
    ...     def __call__(self, images, random):
    ...         return images * random.uniform(0.5, 1, (1, 1, 1)).astype(images.dtype)
    >>> import numpy as np
    >>> Dim()(np.ones((2, 1, 4, 4), np.float32), SampleRandom(0, [0, 1])).shape
    (2, 1, 4, 4)
    """

    @property
    def by_sample(self) -> bool:
        """Whether nothing depends on which samples are together: `batch` is not overridden."""
        return type(self).batch is Augmentation.batch

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        """Images (N, C, H, W), and a `SampleRandom` of their N samples, to images."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(images, random)")

    def batch(
        self, images: NDArray[Any], labels: NDArray[Any], random: SampleRandom
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """New images and their labels."""
        return self(images, random), labels


class Compose(Augmentation):
    """Several augmentations, one after the other.

    Parameters
    ----------
    transforms : sequence of Augmentation

    Raises
    ------
    TypeError
        Something that is no augmentation.

    Examples
    --------
    >>> from tinygrad_cv.data.augment import RandomCrop, RandomHorizontalFlip
    >>> Compose([RandomCrop(32, padding=4), RandomHorizontalFlip()])
    Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(p=0.5)])
    """

    def __init__(self, transforms: Any) -> None:
        self.transforms = list(transforms)
        for i, transform in enumerate(self.transforms):
            if not isinstance(transform, Augmentation):
                raise TypeError(
                    f"Compose: transform {i} must be an Augmentation, got {transform!r}"
                )

    @property
    def by_sample(self) -> bool:
        return all(transform.by_sample for transform in self.transforms)

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        for transform in self.transforms:
            images = transform(images, random)
        return images

    def batch(
        self, images: NDArray[Any], labels: NDArray[Any], random: SampleRandom
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        for transform in self.transforms:
            images, labels = transform.batch(images, labels, random)
        return images, labels

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


def check_images(where: str, images: Any, random: SampleRandom) -> None:
    """Images must be floats (N, C, H, W), as many as there are samples.

    Raises
    ------
    TypeError
        Other numbers than floats.
    ValueError
        Another shape.
    """
    if images.dtype.kind != "f":
        raise TypeError(f"{where}: images must be floats, got {images.dtype}")
    if images.ndim != 4 or len(images) != len(random):
        raise ValueError(
            f"{where}: images must be N x C x H x W with N = {len(random)}, got {images.shape}"
        )


def check_share(where: str, **values: float) -> None:
    """The named arguments must be in [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{where}: {name} must be in [0, 1], got {value}")


def pair_of(where: str, name: str, value: Any, *, around: float | None = None) -> Any:
    """A range (low, high), from one or, where `around` is given, from the distance to that."""
    if isinstance(value, (int, float)) and around is not None:
        value = (around - value, around + value)
    try:
        low, high = value
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {name} must be a pair (low, high), got {value!r}") from None
    if not low <= high:
        raise ValueError(f"{where}: {name} must be (low, high), got {value!r}")
    return float(low), float(high)
