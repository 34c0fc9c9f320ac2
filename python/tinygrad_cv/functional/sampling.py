"""Images sampled at any places, and the grids of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.masking import maybe_any
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.interpolation import cubic
from tinygrad_cv.functional.linalg import matmul
from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.gates.chain import Keep
from tinygrad_cv.gates.indexing import Take

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of images at places that need not be pixels.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W), float
    grid : Tensor, shape (N, OH, OW, 2), dtype of input
        Places (x, y): -1 is the left or upper edge, 1 the right or lower one.
    mode : {"bilinear", "nearest", "bicubic"}
    padding_mode : {"zeros", "border", "reflection"}
        What lies outside.
    align_corners : bool, optional
        Whether the edges are the centres of the outermost pixels; default False: their outer edges.

    Returns
    -------
    Tensor, shape (N, C, OH, OW)

    Raises
    ------
    ValueError
        Shapes that do not fit, or an unknown mode.
    TypeError
        No floats, or dtypes that differ.

    References
    ----------
    Jaderberg et al. 2015, "Spatial transformer networks".
    """
    where = "grid_sample"
    require_float(where, input, grid)
    if input.dtype != grid.dtype:
        raise TypeError(f"{where}: grid is {grid.dtype} but input is {input.dtype}")
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[3] != 2 or len(grid) != len(input):
        raise ValueError(
            f"{where}: input {input.shape} and grid {grid.shape} must have shapes (N, C, H, W) and "
            "(N, OH, OW, 2)"
        )
    if 0 in input.shape[2:]:
        raise ValueError(f"{where}: input {input.shape} has no pixels")
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"{where}: mode must be 'bilinear', 'nearest' or 'bicubic', got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"{where}: padding_mode must be 'zeros', 'border' or 'reflection', got {padding_mode!r}"
        )
    align = bool(align_corners)
    sizes = input.shape[3], input.shape[2]
    places = [_pixels(grid[..., i], size, align) for i, size in enumerate(sizes)]
    if mode == "bicubic":
        sides = [
            _cubic_side(place, size, padding_mode, align)
            for place, size in zip(places, sizes, strict=True)
        ]
    else:
        inside = [
            _brought_in(place, size, padding_mode, align)
            for place, size in zip(places, sizes, strict=True)
        ]
        side = _linear_side if mode == "bilinear" else _nearest_side
        sides = [side(place, size) for place, size in zip(inside, sizes, strict=True)]
    return _summed(input, sides[0], sides[1])


def _pixels(place: Tensor, size: int, align: bool) -> Tensor:
    """Places from -1 to 1, counted in pixels."""
    return (place + 1) * ((size - 1) / 2) if align else ((place + 1) * size - 1) * 0.5


def _brought_in(place: Tensor, size: int, padding_mode: str, align: bool) -> Tensor:
    """Places outside moved to the edge, or mirrored at it until they lie inside."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
        slope, start = _mirrored(place.array, low, high)
        place = place * wrap(slope) + wrap(start)
    array = place.array
    free = (array > 0) & (
        array < size - 1
    )  # at the edge itself there is no gradient, as in PyTorch
    edge = np.where(free, 0, np.clip(array, 0, size - 1)).astype(array.dtype)
    return Keep(free)(place) + wrap(edge)


def _mirrored(array: Any, low: float, high: float) -> tuple[Any, Any]:
    """Slope and offset of the zigzag through [low, high] at each place."""
    span = high - low
    if span <= 0:
        return np.zeros_like(array), np.full_like(array, low)
    away = np.abs(array - low)
    sign = np.where(array < low, -1.0, 1.0)
    turns = np.floor(away / span)
    back = turns % 2 == 1
    slope = np.where(back, -sign, sign)
    start = np.where(back, low + span * (turns + 1), low - span * turns) - slope * low
    return slope.astype(array.dtype), start.astype(array.dtype)


def _linear_side(place: Tensor, size: int) -> list[Any]:
    """The two pixels beside each place along one side: which, whether they exist, weights."""
    first = np.floor(place.array)
    part = place - wrap(first)
    return [
        _checked(first, size, 1 - part),
        _checked(first + 1, size, part),
    ]


def _nearest_side(place: Tensor, size: int) -> list[Any]:
    return [_checked(np.rint(place.array), size, None)]


def _cubic_side(place: Tensor, size: int, padding_mode: str, align: bool) -> list[Any]:
    """The four pixels around each place; each is brought in by itself, as in PyTorch."""
    first = np.floor(place.array)
    weights = cubic(place - wrap(first))
    taps = []
    for k, weight in enumerate(weights):
        pixel = _brought_in(wrap(first + (k - 1)), size, padding_mode, align).array
        taps.append(_checked(np.rint(pixel), size, weight))
    return taps


def _checked(pixel: Any, size: int, weight: Any) -> tuple[Any, Any, Any]:
    exists = (pixel >= 0) & (pixel <= size - 1)
    return np.where(exists, pixel, 0).astype(np.int64), exists, weight


def _summed(input: Tensor, columns: list[Any], rows: list[Any]) -> Tensor:
    """The weighted sum over the pixels around each place."""
    images, channels, height, width = input.shape
    base = np.arange(images * channels, like=input.array).reshape(images, channels, 1, 1)
    base = base * (height * width)
    out: Any = None
    for y, y_exists, y_weight in rows:
        for x, x_exists, x_weight in columns:
            values = Take(base + (y * width + x)[:, None])(input)
            exists = (y_exists & x_exists)[:, None]
            if maybe_any(~exists):
                values = Keep(exists)(values)
            if y_weight is not None:
                values = values * (y_weight * x_weight).unsqueeze(1)
            out = values if out is None else out + values
    return out


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The places at which affine maps read, for `grid_sample`.

    Parameters
    ----------
    theta : Tensor, shape (N, 2, 3), float
        (x, y) = theta (x', y', 1) for each place (x', y') of the result.
    size : ints
        Shape (N, C, H, W) of the result of `grid_sample`.
    align_corners : bool, optional
        As `grid_sample`.

    Returns
    -------
    Tensor, shape (N, H, W, 2)

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    require_float("affine_grid", theta)
    wanted = tuple(size)
    if len(wanted) != 4 or theta.shape != (wanted[0], 2, 3) or min(wanted) < 1:
        raise ValueError(
            f"affine_grid: theta {theta.shape} and size {wanted} must be (N, 2, 3) and (N, C, H, W)"
        )
    _, _, height, width = wanted
    x, y = (_centres(n, bool(align_corners)) for n in (width, height))
    places = np.empty((height, width, 3), theta.dtype)
    places[..., 0], places[..., 1], places[..., 2] = x, y[:, None], 1
    grid = np.asarray(places.reshape(1, -1, 3), like=theta.array)
    out = matmul(wrap(grid), theta.transpose(1, 2))
    return out.reshape(wanted[0], height, width, 2)


def _centres(count: int, align: bool) -> Any:
    """The centres of `count` pixels, in the units of the grid."""
    if count == 1:
        return np.zeros(1)
    return np.linspace(-1, 1, count) * (1 if align else (count - 1) / count)
