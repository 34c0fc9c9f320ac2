"""Augmentations that cover parts of images, or mix images and their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.data.augment.augmentation import Augmentation, check_images, check_share, pair_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_cv.data.augment.sample_random import SampleRandom


class RandomErasing(Augmentation):
    """A random rectangle of the image covered, with probability p.

    Parameters
    ----------
    p : float
    scale : (float, float)
        Range of the rectangle's share of the image.
    ratio : (float, float)
        Range of its height divided by its width.
    value : float or "random"
        What covers it; "random" is noise in [0, 1).

    Raises
    ------
    ValueError
        A probability or share outside [0, 1], or a ratio not above 0.

    References
    ----------
    Zhong et al. 2017, "Random erasing data augmentation"; a rectangle that does not fit is cut to
    the image's sides, where theirs is drawn again.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | str = 0.0,
    ) -> None:
        self.scale, self.ratio = (
            pair_of("RandomErasing", name, v) for name, v in (("scale", scale), ("ratio", ratio))
        )
        check_share("RandomErasing", **{"p": p, "scale[0]": scale[0], "scale[1]": scale[1]})
        if self.ratio[0] <= 0:
            raise ValueError(f"RandomErasing: ratio must be above 0, got {ratio}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value must be a number or 'random', got {value!r}")
        self.p, self.value = p, value

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images("RandomErasing", images, random)
        _, channels, height, width = images.shape
        chosen = random.chance(self.p)
        area = random.uniform(*self.scale) * height * width
        ratio = np.exp(random.uniform(*np.log(self.ratio)))
        sides = (
            np.minimum(np.round(np.sqrt(area * ratio)), height),
            np.minimum(np.round(np.sqrt(area / ratio)), width),
        )
        inside = rectangles((height, width), sides, (random.uniform(), random.uniform()))
        cover: Any = self.value
        if self.value == "random":
            cover = random.uniform(shape=(channels, height, width))
        covered = inside & chosen[:, None, None]
        return np.where(covered[:, None], np.asarray(cover, images.dtype), images)

    def __repr__(self) -> str:
        return f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio})"


class _Mixing(Augmentation):
    """Images mixed with others of the batch, and labels alike; these become probabilities."""

    def __init__(self, alpha: float = 1.0, *, num_classes: int) -> None:
        where = type(self).__name__
        if not alpha > 0:
            raise ValueError(f"{where}: alpha must be above 0, got {alpha}")
        if num_classes < 1:
            raise ValueError(f"{where}: num_classes must be at least 1, got {num_classes}")
        self.alpha, self.num_classes = alpha, num_classes

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        raise TypeError(f"{type(self).__name__}: labels are mixed as well; call batch")

    def batch(
        self, images: NDArray[Any], labels: NDArray[Any], random: SampleRandom
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        check_images(type(self).__name__, images, random)
        draws = random.of_the_batch()
        keep = draws.beta(self.alpha, self.alpha, len(images))
        partner = draws.permutation(len(images))
        mixed, keep = self._mixed(images, images[partner], keep, draws)
        likely = self._probabilities(labels, images.dtype)
        share = keep.astype(images.dtype)[:, None]
        return mixed, share * likely + (1 - share) * likely[partner]

    def _mixed(
        self, images: NDArray[Any], others: NDArray[Any], keep: Any, draws: np.random.Generator
    ) -> tuple[NDArray[Any], Any]:
        """The images, and how much of each is its own."""
        raise NotImplementedError

    def _probabilities(self, labels: NDArray[Any], dtype: Any) -> NDArray[Any]:
        if labels.ndim == 2:  # mixed before
            return labels.astype(dtype, copy=False)
        if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(
                f"{type(self).__name__}: labels are {labels.min()} to {labels.max()} but "
                f"num_classes={self.num_classes}"
            )
        return np.eye(self.num_classes, dtype=dtype)[labels]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(_Mixing):
    """x ← λ x + (1 - λ) x', labels alike; λ ~ Beta(alpha, alpha), x' another image of the batch.

    Parameters
    ----------
    alpha : float
        Small: nearly unmixed; 1: any share is as likely.
    num_classes : int
        Labels become probabilities of so many classes, as `cross_entropy` takes them.

    Raises
    ------
    ValueError
        An `alpha` not above 0, or labels that are no classes.

    Notes
    -----
    Who is mixed with whom depends on the batch, so on seed, epoch and batch size.

    References
    ----------
    Zhang et al. 2017, "mixup: beyond empirical risk minimization".

    Examples
    --------
    >>> from tinygrad_cv.data.augment import SampleRandom
    >>> images, labels = np.zeros((4, 1, 2, 2)), np.array([0, 1, 2, 0])
    >>> mixed, likely = MixUp(num_classes=3).batch(images, labels, SampleRandom(0, range(4)))
    >>> likely.sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def _mixed(
        self, images: NDArray[Any], others: NDArray[Any], keep: Any, draws: np.random.Generator
    ) -> tuple[NDArray[Any], Any]:
        share = keep.astype(images.dtype).reshape(-1, 1, 1, 1)
        return share * images + (1 - share) * others, keep


class CutMix(_Mixing):
    """A rectangle of another image of the batch pasted in; labels mixed by area.

    Parameters, errors and notes are `MixUp`'s; the rectangle's share is 1 - λ.

    References
    ----------
    Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers".
    """

    def _mixed(
        self, images: NDArray[Any], others: NDArray[Any], keep: Any, draws: np.random.Generator
    ) -> tuple[NDArray[Any], Any]:
        count, _, height, width = images.shape
        side = np.sqrt(1 - keep)
        sides = np.round(side * height), np.round(side * width)
        inside = rectangles((height, width), sides, (draws.random(count), draws.random(count)))
        own = 1 - inside.mean(axis=(1, 2))
        return np.where(inside[:, None], others, images), own


def rectangles(shape: tuple[int, int], sides: Any, places: Any) -> NDArray[np.bool_]:
    """Masks (N, H, W) of a rectangle in each image.

    Parameters
    ----------
    shape : (H, W)
    sides : two arrays (N,), heights and widths in pixels, at most H and W
    places : two arrays (N,) in [0, 1), from top to bottom and from left to right
    """
    masks = []
    for size, side, place in zip(shape, sides, places, strict=True):
        start = np.floor(place * (size - side + 1))[:, None]
        at = np.arange(size)
        masks.append((at >= start) & (at < start + side[:, None]))
    rows, columns = masks
    return rows[:, :, None] & columns[:, None, :]
