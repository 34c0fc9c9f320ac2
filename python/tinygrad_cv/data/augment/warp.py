"""Images read at places between their pixels.

The kernel is called directly: images of a data set are NumPy arrays, whichever room computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import _core

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def warp(
    images: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], fill: float = 0.0
) -> NDArray[Any]:
    """Read each image at real-valued places, between four pixels (bilinear).

    Parameters
    ----------
    images : ndarray, floats, shape (N, C, H, W)
    rows, columns : ndarray, shape (N, H', W')
        Where each pixel of the result comes from; 0 is the middle of the first pixel.
    fill : float
        What lies around the image.

    Returns
    -------
    ndarray, shape (N, C, H', W'), dtype of images
    """
    kind = images.dtype
    warped: NDArray[Any] = _core.warp_bilinear(
        np.ascontiguousarray(images),
        np.ascontiguousarray(rows, kind),
        np.ascontiguousarray(columns, kind),
        fill,
    )
    return warped


def warp_affine(images: NDArray[Any], maps: NDArray[Any], fill: float = 0.0) -> NDArray[Any]:
    """Read each image where its map says, between four pixels (bilinear).

    Parameters
    ----------
    images : ndarray, floats, shape (N, C, H, W)
    maps : ndarray, shape (N, 2, 3)
        Of an image: (row, column) of the place that pixel (p, q) of the result comes from is its
        map times (q, p, 1); `affine_maps` makes them.
    fill : float
        What lies around the image.

    Returns
    -------
    ndarray, shape and dtype of images
    """
    kind = images.dtype
    warped: NDArray[Any] = _core.warp_affine(
        np.ascontiguousarray(images), np.ascontiguousarray(maps, kind), fill
    )
    return warped


def affine_maps(
    shape: tuple[int, int],
    degrees: ArrayLike = 0.0,
    translate: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    shear: ArrayLike = 0.0,
) -> NDArray[Any]:
    """Where the pixels of images of that shape come from when they are moved about the centre.

    Parameters
    ----------
    shape : (H, W)
    degrees : array, shape (N,)
        Counter-clockwise turn.
    translate : array, shape (N, 2)
        Pixels to the right and down.
    scale : array, shape (N,)
    shear : array, shape (N, 2)
        Degrees along x and along y.

    Returns
    -------
    ndarray, shape (N, 2, 3)
        As `warp_affine` takes them.

    Notes
    -----
    out = T R(degrees) Shear scale, as torchvision's ``affine``; what is computed is its inverse.
    """
    turn, size = np.radians(np.atleast_1d(degrees)), np.atleast_1d(scale)
    x_shear, y_shear = np.radians(np.broadcast_to(shear, (len(turn), 2))).T
    move = np.broadcast_to(translate, (len(turn), 2))
    cos, sin, across, down = np.cos(turn), np.sin(turn), np.tan(x_shear), np.tan(y_shear)
    height, width = shape
    x, y = (width - 1) / 2, (height - 1) / 2  # the centre
    x_from, y_from = x + move[:, 0], y + move[:, 1]
    maps = np.empty((len(turn), 2, 3))
    # Rows run downwards: the turn is [[cos, sin], [-sin, cos]], the slant [[1, across], [down, 1]].
    shrink = 1 / (size * (1 - across * down))
    maps[:, 1, 0], maps[:, 1, 1] = shrink * (cos - sin * across), -shrink * (sin + cos * across)
    maps[:, 0, 0], maps[:, 0, 1] = shrink * (sin - cos * down), shrink * (cos + sin * down)
    maps[:, 1, 2] = x - maps[:, 1, 0] * x_from - maps[:, 1, 1] * y_from
    maps[:, 0, 2] = y - maps[:, 0, 0] * x_from - maps[:, 0, 1] * y_from
    return maps


def smooth_field(coarse: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Values on a coarse grid (N, h, w) spread linearly over an image (N, H, W).

    Examples
    --------
    >>> smooth_field(np.array([[[0.0, 2.0]]]), (1, 3)).tolist()
    [[[0.0, 1.0, 2.0]]]
    """
    down, across = (_spread(n, size) for n, size in zip(coarse.shape[1:], shape, strict=True))
    field: NDArray[Any] = down @ coarse @ across.T
    return field


def _spread(count: int, size: int) -> NDArray[Any]:
    """The matrix (size, count) that interpolates linearly between `count` equidistant values."""
    place = np.linspace(0, count - 1, size)[:, None]
    return np.maximum(0, 1 - np.abs(place - np.arange(count)))
