"""A digit drawn or photographed, prepared as LeCun prepared MNIST's.

NIST's digits were scaled into a box of 20 x 20, keeping their aspect, and set into 28 x 28 with
their centre of mass in the middle. In MNIST itself the longer side is 20, and the centre of mass lies
less than half a pixel from index 14 both ways; so a digit of MNIST comes out as it went in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.optional import require

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, BOX, MIDDLE = 28, 20, 14
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's
# Contrast, of 255 levels, under which a picture shows nothing.
CONTRAST = 16
# A pixel of the edge is taken for ground if it is nearer to the median than this share of the range.
NEAR = 0.25
# Ink stands out this many times as far as the ground's grain does at the edge: the picture inside
# has more pixels than its edge, and so wider extremes.
GRAIN = 2
# Larger pictures are averaged down to this many pixels a side first; that smooths their grain.
LARGE = 320


def digit_image(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Prepare a picture of one digit as MNIST's were.

    It becomes grey, light on dark whatever it was; the ground goes, uneven light and paper's grain
    included; what is left is cropped, scaled into 20 x 20 and centred by mass in 28 x 28.

    Parameters
    ----------
    image : ndarray, uint8, shape (1, H, W), (3, H, W) or (H, W)
        Of any size, the digit alone on a ground of about one colour; see `load_image`.

    Returns
    -------
    ndarray, float32, shape (1, 28, 28)
        In [0, 1], strokes light, ground 0.

    Raises
    ------
    TypeError
        Another dtype.
    ValueError
        Another shape, or a picture that shows nothing.

    References
    ----------
    LeCun, Cortes, Burges: The MNIST database of handwritten digits.

    Examples
    --------
    >>> picture = np.full((60, 40), 255, np.uint8)
    >>> picture[10:50, 18:22] = 0  # a one, black on white
    >>> digit_image(picture)[0, 4:24, 13:15].tolist() == [[1.0, 1.0]] * 20
    True
    """
    ink = _ink(_grey(image))
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centred(_scaled(cropped))[None]


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    if image.dtype != np.uint8:
        raise TypeError(f"digit_image: image must be uint8, got {image.dtype}")
    planes = image[None] if image.ndim == 2 else image
    if planes.ndim != 3 or len(planes) not in (1, 3) or 0 in planes.shape:
        raise ValueError(f"digit_image: image must be (1 or 3) x H x W, got shape {image.shape}")
    reduced = _reduced(planes)
    return reduced[0] if len(reduced) == 1 else np.tensordot(GREY, reduced, axes=1)


def _reduced(planes: NDArray[np.uint8]) -> NDArray[np.float64]:
    count, *sides = planes.shape
    factor = math.ceil(max(sides) / LARGE)
    height, width = (math.ceil(side / factor) for side in sides)
    missing = [(0, 0), (0, height * factor - sides[0]), (0, width * factor - sides[1])]
    whole = np.pad(planes, missing, mode="edge")
    return whole.reshape(count, height, factor, width, factor).mean(axis=(2, 4))


def _ink(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each pixel stands out from the ground, of 1; 0 for the ground."""
    contrast = np.ptp(grey)
    middle = np.quantile(_edge(grey), 0.5, method="lower")  # one of the pixels, not a mean of two
    near = np.abs(grey - middle) <= NEAR * contrast
    away = grey - _plane(grey, near)
    ink = np.maximum(-away if -away.min() > away.max() else away, 0)
    grain = np.abs(_edge(away)[_edge(near)]).max()
    ink = np.where(ink > GRAIN * grain, ink, 0)
    if ink.max() < CONTRAST:
        raise ValueError(
            f"digit_image: the picture shows nothing: its contrast is {contrast:.0f} of 255 levels"
        )
    return ink / ink.max()


def _edge(picture: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def _plane(grey: NDArray[np.float64], near: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The ground as a plane through its pixels at the edge: light often falls from one side."""
    rows, columns = np.indices(grey.shape) / max(grey.shape)
    terms = [np.ones_like(grey), rows, columns]
    chosen = _edge(near)
    edge = np.stack([_edge(term)[chosen] for term in terms], axis=1)
    factors = np.linalg.lstsq(edge, _edge(grey)[chosen], rcond=None)[0]
    return sum(factor * term for factor, term in zip(factors, terms, strict=True))


def _scaled(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled so that the longer side is 20; strokes thinner than a pixel are brought back to 1."""
    factor = BOX / max(ink.shape)
    height, width = (max(1, round(side * factor)) for side in ink.shape)
    if (height, width) == ink.shape:
        return ink
    Image = require("PIL.Image", extra="train")
    picture = Image.fromarray(ink.astype(np.float32))
    scaled = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float64)
    return scaled / scaled.max()


def _centred(ink: NDArray[np.float64]) -> NDArray[np.float32]:
    out = np.zeros((SIDE, SIDE), np.float32)
    corner = []
    for axis, side in enumerate(ink.shape):
        mass = ink.sum(axis=1 - axis)
        centre = (mass * np.arange(side)).sum() / mass.sum()
        corner.append(min(max(math.ceil(MIDDLE - 0.5 - centre), 0), SIDE - side))
    top, left = corner
    out[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return out
