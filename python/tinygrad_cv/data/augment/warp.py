"""Images read at places between their pixels.

The kernel is called directly: images of a data set are NumPy arrays, whichever room computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def affine_maps(shape: tuple[int, int], moves: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Where the pixels of images of that shape come from when they are moved about the centre.

    Parameters
    ----------
    shape : (H, W)
    moves : ndarray, float64, shape (N, 5)
        Of an image: counter-clockwise turn in degrees, shares of the width to the right and of the
        height down, magnification, slant along x in degrees.
    dtype : float32 or float64

    Returns
    -------
    ndarray of dtype, shape (N, 2, 3)
        As `warp_affine` takes them.

    Notes
    -----
    out = T R(degrees) Shear scale, as torchvision's ``affine``; what is computed is its inverse.
    """
    maps: NDArray[Any] = _core.affine_maps(
        np.ascontiguousarray(moves, np.float64), *shape, dtype == np.float64
    )
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
