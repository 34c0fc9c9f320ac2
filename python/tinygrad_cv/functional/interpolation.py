"""Images in another size, and pixels that change places with channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.functional.adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.gates.resample import Resample

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

_MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
}
A = -0.75  # the cubic kernel's parameter, as in PyTorch and OpenCV


def interpolate(
    input: Tensor,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images in another size.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (N, C, L), float
    size : int or pair, optional
        Rows and columns of the result.
    scale_factor : float or pair, optional
        Instead of `size`: what to multiply rows and columns by, rounded down.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "area"}
        "linear" is for (N, C, L), "bilinear" and "bicubic" are for images; "area" is
        `adaptive_avg_pool2d`. "nearest-exact" rounds as image libraries do.
    align_corners : bool, optional
        For the linear and cubic modes: the corners' pixel centres stay in place, instead of the
        image's edges.
    recompute_scale_factor : bool, optional
        Compute the factor from the two sizes although `scale_factor` is given.
    antialias : bool
        For "bilinear" and "bicubic": widen the kernel where the image gets smaller, so that every
        pixel counts, as image libraries do; the cubic kernel's parameter is then -0.5.

    Raises
    ------
    ValueError
        Neither or both of size and scale_factor, an unknown mode, an empty result, or `antialias`
        with another mode.

    References
    ----------
    Keys 1981, "Cubic convolution interpolation" (with -0.75).
    """
    require_float("interpolate", input)
    dims = input.ndim - 2
    if dims not in _MODES:
        raise ValueError(
            f"interpolate: input must have shape (N, C, H, W) or (N, C, L), got {input.shape}"
        )
    if mode not in _MODES[dims]:
        raise ValueError(
            f"interpolate: mode for {input.shape} must be one of {_MODES[dims]}, got {mode!r}"
        )
    if align_corners is not None and (mode.startswith("nearest") or mode == "area"):
        raise ValueError(f"interpolate: mode {mode!r} takes no align_corners")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias is for 'bilinear' and 'bicubic', not {mode!r}")
    sizes, scales = _sizes(input.shape[2:], size, scale_factor)
    if recompute_scale_factor:
        scales = [None] * dims
    if mode == "area":
        pool = adaptive_avg_pool1d if dims == 1 else adaptive_avg_pool2d
        return pool(input, tuple(sizes))
    out = input
    for i, (count, scale) in enumerate(zip(sizes, scales, strict=True)):
        length = input.shape[2 + i]
        make = _wide_taps if antialias else _taps
        taps = make(mode, length, count, scale, bool(align_corners))
        out = Resample(2 + i, count, taps)(out)
    return out


def _sizes(sides: Any, size: Any, scale_factor: Any) -> tuple[list[int], list[float | None]]:
    """The result's sides, and the factors that were given."""
    dims = len(sides)
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    given = size if scale_factor is None else scale_factor
    many = list(given) if isinstance(given, (tuple, list)) else [given] * dims
    if len(many) != dims:
        raise ValueError(f"interpolate: expected one number or {dims}, got {given!r}")
    if scale_factor is None:
        sizes, scales = [int(n) for n in many], [None] * dims
    else:
        sizes = [math.floor(n * float(f)) for n, f in zip(sides, many, strict=True)]
        scales = [float(f) for f in many]  # type: ignore[misc]
    if min(sizes) < 1 or min(sides) < 1:
        raise ValueError(f"interpolate: images of {tuple(sides)} cannot become {tuple(sizes)}")
    return sizes, scales  # type: ignore[return-value]


def _taps(mode: str, length: int, count: int, scale: float | None, align_corners: bool) -> Any:
    """What each output along one side is made of; see `Resample`."""
    outputs = np.arange(count)
    step = length / count if scale is None else 1 / scale
    if mode.startswith("nearest"):
        half = 0.5 if mode == "nearest-exact" else 0.0
        nearest = np.minimum(np.floor((outputs + half) * step).astype(np.int64), length - 1)
        return [(outputs, nearest, np.ones(count))]
    if align_corners:
        source = outputs * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        source = (outputs + 0.5) * step - 0.5
    if mode != "bicubic":
        source = np.maximum(source, 0.0)
    first = np.floor(source).astype(np.int64)
    t = source - first
    weights = cubic(t) if mode == "bicubic" else (1 - t, t)
    before = 1 if mode == "bicubic" else 0
    return [
        (outputs, np.clip(first + k - before, 0, length - 1), weight)
        for k, weight in enumerate(weights)
    ]


def _wide_taps(mode: str, length: int, count: int, scale: float | None, align_corners: bool) -> Any:
    """As `_taps`, with a kernel as wide as what an output pixel covers of the input."""
    outputs = np.arange(count)
    if align_corners:
        step = (length - 1) / (count - 1) if count > 1 else 0.0
    else:
        step = length / count if scale is None else 1 / scale
    wide = max(step, 1.0)
    reach = wide * (2.0 if mode == "bicubic" else 1.0)
    centre = (outputs + 0.5) * step
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    counts = np.minimum((centre + reach + 0.5).astype(np.int64), length) - first
    most = int(counts.max())
    inside = np.arange(most) < counts[:, None]
    kernel = _cubic_bump if mode == "bicubic" else _triangle
    weights = kernel(np.abs((first[:, None] + np.arange(most) - centre[:, None] + 0.5) / wide))
    weights = np.where(inside, weights, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    weights /= np.where(total == 0, 1.0, total)
    return [
        (outputs[inside[:, k]], (first + k)[inside[:, k]], weights[inside[:, k], k])
        for k in range(most)
    ]


def _triangle(d: Any) -> Any:
    """Weight of a pixel at the distance d, an array."""
    return np.maximum(1 - d, 0.0)


def _cubic_bump(d: Any, a: float = -0.5) -> Any:
    """As `_triangle`, Keys' cubic."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = (((d - 5) * d + 8) * d - 4) * a
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def cubic(t: Any) -> tuple[Any, Any, Any, Any]:
    """Weights of the pixels at -1, 0, 1 and 2 for a place t in [0, 1); arrays or tensors."""

    def near(d: Any) -> Any:
        return ((A + 2) * d - (A + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become pixels: (…, C r r, H, W) becomes (…, C, H r, W r).

    Raises
    ------
    ValueError
        Channels that are no multiple of r r.

    References
    ----------
    Shi et al. 2016, "Real-time single image and video super-resolution".
    """
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: input {input.shape} must have shape (…, C * {r} * {r}, H, W)"
        )
    *batch, channels, h, w = input.shape
    n = len(batch)
    apart = input.reshape(*batch, channels // (r * r), r, r, h, w)
    order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    return apart.permute(order).reshape(*batch, channels // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels become channels: (…, C, H r, W r) becomes (…, C r r, H, W); undoes `pixel_shuffle`.

    Raises
    ------
    ValueError
        Rows or columns that are no multiple of r.
    """
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-1] % r or input.shape[-2] % r:
        raise ValueError(
            f"pixel_unshuffle: input {input.shape} must have shape (…, C, H * {r}, W * {r})"
        )
    *batch, channels, h, w = input.shape
    n = len(batch)
    apart = input.reshape(*batch, channels, h // r, r, w // r, r)
    order = [*range(n), n, n + 2, n + 4, n + 1, n + 3]
    return apart.permute(order).reshape(*batch, channels * r * r, h // r, w // r)
