"""The kernels that read between pixels: exact where every step is, and the same for any team."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv import _core

# Lines shorter and longer than a vector, and than a block of places.
SIDES = [(1, 1), (3, 4), (5, 17), (28, 28), (9, 33), (2, 300), (300, 2), (3, 600)]


def corners(images, rows, columns, fill):
    """The same by fancy indexing, in float64."""
    framed = np.pad(
        images.astype(np.float64), ((0, 0), (0, 0), (1, 2), (1, 2)), constant_values=fill
    )
    height, width = images.shape[2:]
    rows, columns = np.clip(rows + 1, 0, height + 1), np.clip(columns + 1, 0, width + 1)
    r, s = np.floor(rows).astype(int), np.floor(columns).astype(int)
    n = np.arange(len(images))[:, None, None]
    four = [framed[n, :, r + i, s + j] for i in (0, 1) for j in (0, 1)]
    a, b = (rows - r)[..., None], (columns - s)[..., None]
    upper, lower = (left + (right - left) * b for left, right in (four[:2], four[2:]))
    return np.moveaxis(upper + (lower - upper) * a, 3, 1)


def pictures(rng, side, dtype):
    return rng.integers(-8, 9, (5, 2, *side)).astype(dtype)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_pixels_read_at_quarters_are_exact(dtype, side):
    rng = np.random.default_rng(0)
    images = pictures(rng, side, dtype)
    places = [
        (rng.integers(-12, 4 * (n + 3), (5, 7, side[1])) / 4).astype(dtype) for n in side
    ]  # fmt: skip
    got = _core.warp_bilinear(images, *places, 3.0)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, corners(images, *places, 3.0))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_pixels_read_on_lines_of_quarters_are_exact(dtype, side):
    rng = np.random.default_rng(1)
    images = pictures(rng, side, dtype)
    maps = (rng.integers(-6, 7, (5, 2, 3)) / 4).astype(dtype)
    maps[0] = [[0, 1, 0], [1, 0, 0]]  # stays as it is
    p, q = np.mgrid[: side[0], : side[1]]
    rows, columns = np.einsum("nij,jpq->inpq", maps.astype(np.float64), [q, p, np.ones_like(q)])
    got = _core.warp_affine(images, maps, -2.0)
    np.testing.assert_array_equal(got, corners(images, rows, columns, -2.0))
    np.testing.assert_array_equal(got[0], images[0])


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_any_number_of_threads_gives_the_exact_bits(threads):
    rng = np.random.default_rng(2)
    images = rng.random((61, 3, 29, 30), np.float32)  # enough for seven
    maps = rng.uniform(-1, 1, (61, 2, 3)).astype(np.float32)
    places = rng.uniform(-2, 31, (2, 61, 29, 30)).astype(np.float32)
    before, found = _core.get_num_threads(), []
    try:
        for team in (1, threads):
            _core.set_num_threads(team)
            found.append(
                (_core.warp_affine(images, maps, 0.5), _core.warp_bilinear(images, *places, 0.5))
            )
    finally:
        _core.set_num_threads(before)
    for one, many in zip(*found, strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("side", [(1, 2**24), (2**24, 1), (2**16, 2**15)])
def test_sides_that_places_cannot_tell_apart_are_refused(side):
    images = np.zeros((0, 1, *side), np.float32)
    with pytest.raises(ValueError, match=rf"under 2\^31 pixels, got {side[0]} x {side[1]}"):
        _core.warp_affine(images, np.zeros((0, 2, 3), np.float32), 0.0)
