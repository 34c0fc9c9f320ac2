"""Augmentations that move pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_cv.data.augment.augmentation import Augmentation, check_images, check_share, pair_of
from tinygrad_cv.data.augment.warp import affine_maps, smooth_field, warp, warp_affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_cv.data.augment.sample_random import SampleRandom


class RandomHorizontalFlip(Augmentation):
    """Left and right exchanged, with probability p.

    Raises
    ------
    ValueError
        A probability outside [0, 1].

    Examples
    --------
    >>> from tinygrad_cv.data.augment import SampleRandom
    >>> flip = RandomHorizontalFlip(p=1.0)
    >>> flip(np.array([[[[1.0, 2.0]]]]), SampleRandom(0, [0])).tolist()
    [[[[2.0, 1.0]]]]
    """

    def __init__(self, p: float = 0.5) -> None:
        check_share("RandomHorizontalFlip", p=p)
        self.p = p

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images("RandomHorizontalFlip", images, random)
        chosen = random.chance(self.p)
        out = images.copy()
        out[chosen] = images[chosen, ..., ::-1]
        return out

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop(Augmentation):
    """A window of the image, at a random place, after a frame was put around it.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window.
    padding : int
        Pixels of frame on each side.
    fill : float
        What the frame holds.

    Raises
    ------
    ValueError
        A size below 1, a padding below 0; when called, images that are smaller than the window.

    Examples
    --------
    >>> from tinygrad_cv.data.augment import SampleRandom
    >>> RandomCrop(32, padding=4)(np.zeros((2, 3, 32, 32)), SampleRandom(0, [0, 1])).shape
    (2, 3, 32, 32)
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: float = 0.0) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"RandomCrop: size must be one or two ints from 1, got {size!r}")
        if padding < 0:
            raise ValueError(f"RandomCrop: padding must be at least 0, got {padding}")
        self.padding, self.fill = padding, fill

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images("RandomCrop", images, random)
        frame = (self.padding, self.padding)
        framed = np.pad(images, ((0, 0), (0, 0), frame, frame), constant_values=self.fill)
        room = [have - want for have, want in zip(framed.shape[2:], self.size, strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"RandomCrop: images of {framed.shape[2:]} with their padding are smaller than "
                f"size {self.size}"
            )
        top, left = (random.integers(0, places + 1) for places in room)
        windows = sliding_window_view(framed, self.size, axis=(2, 3))
        out: NDArray[Any] = windows[np.arange(len(images)), :, top, left]
        return out

    def __repr__(self) -> str:
        size = self.size[0] if self.size[0] == self.size[1] else self.size
        return f"RandomCrop({size}, padding={self.padding})"


class RandomAffine(Augmentation):
    """The image turned, moved, scaled and slanted about its centre.

    Parameters
    ----------
    degrees : float or (float, float)
        Range of the turn, counter-clockwise; one number d stands for (-d, d).
    translate : (float, float), optional
        Largest move, as a share of width and height.
    scale : (float, float), optional
        Range of the magnification.
    shear : float or (float, float), optional
        Range of the slant along x, in degrees; one number s stands for (-s, s).
    fill : float
        What lies around the image.

    Raises
    ------
    ValueError
        A range whose ends are exchanged, a share outside [0, 1], or a magnification not above 0.

    Examples
    --------
    >>> from tinygrad_cv.data.augment import SampleRandom
    >>> quarter = RandomAffine((90, 90))
    >>> turned = quarter(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), SampleRandom(0, [0]))
    >>> turned.round(6).tolist()
    [[[[2.0, 4.0], [1.0, 3.0]]]]
    """

    def __init__(
        self,
        degrees: float | tuple[float, float],
        translate: tuple[float, float] | None = None,
        scale: tuple[float, float] | None = None,
        shear: float | tuple[float, float] | None = None,
        fill: float = 0.0,
    ) -> None:
        where = type(self).__name__
        self.degrees = pair_of(where, "degrees", degrees, around=0.0)
        self.translate = (0.0, 0.0) if translate is None else tuple(translate)
        check_share(where, **{"translate[0]": self.translate[0], "translate[1]": self.translate[1]})
        self.scale = pair_of(where, "scale", (1.0, 1.0) if scale is None else scale)
        if self.scale[0] <= 0:
            raise ValueError(f"{where}: scale must be above 0, got {self.scale}")
        self.shear = pair_of(where, "shear", 0.0 if shear is None else shear, around=0.0)
        self.fill = fill
        right, down = self.translate
        self._low, self._high = np.array(
            [self.degrees, (-right, right), (-down, down), self.scale, self.shear]
        ).T.copy()

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images(type(self).__name__, images, random)
        moves = random.uniform(self._low, self._high, (5,))
        maps = affine_maps(images.shape[2:], moves, images.dtype)
        return warp_affine(images, maps, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(degrees={self.degrees}, translate={self.translate}, "
            f"scale={self.scale}, shear={self.shear})"
        )


class RandomRotation(RandomAffine):
    """The image turned about its centre; `degrees` and `fill` are `RandomAffine`'s.

    Examples
    --------
    >>> RandomRotation(10)
    RandomRotation(degrees=(-10.0, 10.0))
    """

    def __init__(self, degrees: float | tuple[float, float], fill: float = 0.0) -> None:
        super().__init__(degrees, fill=fill)

    def __repr__(self) -> str:
        return f"RandomRotation(degrees={self.degrees})"


class ElasticTransform(Augmentation):
    """The image drawn on rubber: pixels are displaced by a smooth random field.

    Parameters
    ----------
    alpha : float
        Largest displacement, in pixels.
    cells : int
        How many knots the field has a side: few bend the whole image, many wrinkle it.
    fill : float
        What lies around the image.

    Raises
    ------
    ValueError
        A displacement below 0, or fewer than two knots.

    References
    ----------
    Simard et al. 2003, "Best practices for convolutional neural networks"; their field is smoothed
    by a Gaussian, this one is linear between its knots.
    """

    def __init__(self, alpha: float, cells: int = 5, fill: float = 0.0) -> None:
        if not alpha >= 0:
            raise ValueError(f"ElasticTransform: alpha must be at least 0, got {alpha}")
        if cells < 2:
            raise ValueError(f"ElasticTransform: cells must be at least 2, got {cells}")
        self.alpha, self.cells, self.fill = alpha, cells, fill

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images("ElasticTransform", images, random)
        knots = random.uniform(-self.alpha, self.alpha, (2, self.cells, self.cells))
        shape = images.shape[2], images.shape[3]
        y, x = np.mgrid[: shape[0], : shape[1]]
        rows = (y + smooth_field(knots[:, 0], shape)).astype(np.float32)
        columns = (x + smooth_field(knots[:, 1], shape)).astype(np.float32)
        return warp(images, rows, columns, self.fill)

    def __repr__(self) -> str:
        return f"ElasticTransform(alpha={self.alpha}, cells={self.cells})"
