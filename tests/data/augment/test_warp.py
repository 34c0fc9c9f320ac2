"""Reading between pixels, against a loop over places."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.data.augment.warp import affine_maps, warp, warp_affine


def slow(images, rows, columns, fill):
    """Each place by its four pixels."""
    count, channels, height, width = images.shape
    out = np.empty((count, channels, *rows.shape[1:]))
    for n, p, q in np.ndindex(rows.shape):
        r, s = float(rows[n, p, q]), float(columns[n, p, q])
        for c in range(channels):
            total = 0.0
            for i in (math.floor(r), math.floor(r) + 1):
                for j in (math.floor(s), math.floor(s) + 1):
                    inside = 0 <= i < height and 0 <= j < width
                    value = images[n, c, i, j] if inside else fill
                    total += (1 - abs(r - i)) * (1 - abs(s - j)) * value
            out[n, c, p, q] = total
    return out


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@given(
    shape=st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    places=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 999),
)
def test_every_place_is_read_between_its_four_pixels(dtype, rtol, shape, places, seed):
    rng = np.random.default_rng(seed)
    images = rng.random(shape).astype(dtype)
    spots = [rng.uniform(-3, 8, (shape[0], *places)).astype(dtype) for _ in range(2)]
    spots[0][:, 0] = np.round(spots[0][:, 0])  # on pixels, and on the frame
    got = warp(images, *spots, 0.25)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, slow(images, *spots, 0.25), rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 2e-5), (np.float64, 1e-12)])
@given(
    shape=st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 999),
    steps=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
)
def test_places_on_lines_are_read_as_single_places_are(dtype, rtol, shape, seed, steps):
    """Steps of 0 and of 1 too, where places lie on pixels and on the frame."""
    rng = np.random.default_rng(seed)
    images = rng.random(shape).astype(dtype)
    maps = rng.uniform(-1, 1, (shape[0], 2, 3)) * [steps, steps, 5]
    if steps == 1.0:
        maps = np.round(maps)
    q, p = np.meshgrid(np.arange(shape[3]), np.arange(shape[2]))
    rows, columns = np.moveaxis(maps @ np.stack([q, p, np.ones_like(q)]).reshape(3, -1), 1, 0)
    spots = [places.reshape(-1, *shape[2:]) for places in (rows, columns)]
    got = warp_affine(images, maps, 0.25)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, slow(images, *spots, 0.25), rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-3), (np.float64, 1e-9)])
@given(
    side=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    moves=st.lists(
        st.tuples(
            *(st.floats(*ends) for ends in ((-200, 200), (-1, 1), (-1, 1), (0.2, 5), (-70, 70)))
        ),
        max_size=3,
    ),
)
def test_maps_undo_turn_slant_and_scale_about_the_centre(dtype, atol, side, moves):
    maps = affine_maps(side, np.array(moves).reshape(-1, 5), np.dtype(dtype))
    assert (maps.shape, maps.dtype) == ((len(moves), 2, 3), dtype)
    centre = np.array([(side[1] - 1) / 2, (side[0] - 1) / 2])  # x, y
    for (degrees, right, down, scale, shear), back in zip(moves, maps, strict=True):
        turn, slant = np.radians([degrees, shear])
        cos, sin = np.cos(turn), np.sin(turn)
        forth = scale * np.array([[cos, sin], [-sin, cos]]) @ [[1, np.tan(slant)], [0, 1]]
        for x, y in ((0, 0), (3, -2)):
            to = forth @ ([x, y] - centre) + centre + [right * side[1], down * side[0]]
            np.testing.assert_allclose(back @ [*to, 1], [y, x], atol=atol)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", range(6))
def test_maps_that_lead_nowhere_read_what_lies_around(bad, where):
    maps = np.full(6, 0.5, np.float32)
    maps[where] = bad
    out = warp_affine(np.ones((1, 1, 3, 3), np.float32), maps.reshape(1, 2, 3), 7.0)
    assert out[0, 0, 1, 1] == out[0, 0, 2, 2] == 7


def test_what_is_no_place_reads_what_lies_around():
    places = np.array([[[np.nan, np.inf, -np.inf, 1e30]]], np.float32)
    out = warp(np.ones((1, 1, 3, 3), np.float32), places, np.zeros_like(places), 7.0)
    assert out.tolist() == [[[[7, 7, 7, 7]]]]


def test_other_shapes_and_types_are_refused():
    x, places = np.zeros((2, 1, 3, 3), np.float32), np.zeros((2, 3, 3), np.float32)
    with pytest.raises(ValueError, match="one shape, with a first side of 2 as x"):
        _core.warp_bilinear(x, places, places[:1].copy(), 0.0)
    with pytest.raises(TypeError, match="rows must be a float32 array"):
        _core.warp_bilinear(x, places.astype(np.float64), places, 0.0)
    with pytest.raises(ValueError, match=r"maps must be \(2, 2, 3\), one for each image"):
        _core.warp_affine(x, np.zeros((2, 3, 2), np.float32), 0.0)
    with pytest.raises(TypeError, match="maps must be a float32 array"):
        _core.warp_affine(x, np.zeros((2, 2, 3)), 0.0)
    with pytest.raises(ValueError, match=r"moves must be \(N, 5\), got \(2, 4\)"):
        _core.affine_maps(np.zeros((2, 4)), 3, 3, True)
