"""A digit of MNIST comes out as it went in, however it was inverted, moved, enlarged or lit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from tinygrad_cv.data import digits
from tinygrad_cv.data.digit_image import digit_image
from tinygrad_cv.data.image_file import load_image

COUNT = 200


@pytest.fixture(scope="module")
def originals():
    return digits(train=False).images[:COUNT, 0]


def enlarged(image, factor):
    return np.kron(image, np.ones((factor, factor), np.uint8))


def moved(image, rng):
    ground = np.zeros((70, 90), np.uint8)
    top, left = rng.integers(0, 42), rng.integers(0, 62)
    ground[top : top + 28, left : left + 28] = image
    return ground


def photographed(image, rng):
    """Dark ink on paper that has a grain and lies in light from one side."""
    strokes = enlarged(image, 10) / 255
    rows, columns = np.indices(strokes.shape) / 280
    paper = 200 - 40 * rows - 30 * rng.random() * columns + rng.normal(0, 4, strokes.shape)
    return np.clip(paper * (1 - strokes) + 40 * strokes, 0, 255).astype(np.uint8)


def distances(originals, change):
    """Mean distance of each prepared digit from its original, of 1."""
    out = np.concatenate([digit_image(change(image)) for image in originals])
    assert out.dtype == np.float32
    assert out.shape == (COUNT, 28, 28)
    return np.abs(out - originals / 255).mean(axis=(1, 2))


def test_a_digit_of_mnist_stays_as_it_is(originals):
    # MNIST's brightest pixel is 254 or 255, ours always 1.
    assert np.quantile(distances(originals, lambda image: image), 0.98) < 1e-3


def test_dark_on_light_is_inverted(originals):
    same = distances(originals, lambda image: image)
    np.testing.assert_allclose(distances(originals, lambda image: 255 - image), same, atol=1e-6)


def test_where_the_digit_lies_does_not_matter(originals):
    rng = np.random.default_rng(0)
    assert np.quantile(distances(originals, lambda image: moved(image, rng)), 0.98) < 1e-3


@pytest.mark.parametrize("factor", [2, 5, 13])
def test_how_large_the_digit_is_hardly_matters(originals, factor):
    # Strokes get softer, and a few digits whose mass lay on the border move by one pixel. Two
    # different digits are about 0.15 apart.
    found = distances(originals, lambda image: enlarged(image, factor))
    assert np.median(found) < 0.02
    assert np.quantile(found, 0.95) < 0.03
    assert found.max() < 0.1


def test_light_paper_and_grain_hardly_matter(originals):
    rng = np.random.default_rng(0)
    found = distances(originals, lambda image: photographed(image, rng))
    assert np.median(found) < 0.05


def test_a_photographed_digit_is_nearest_to_itself(originals):
    rng = np.random.default_rng(1)
    out = np.concatenate([digit_image(photographed(image, rng)) for image in originals])
    apart = ((out[:, None] - originals[None] / 255) ** 2).sum((2, 3))
    assert (apart.argmin(axis=1) == np.arange(COUNT)).mean() > 0.95


def test_faint_ink_is_brought_to_full_contrast(originals):
    faint = distances(originals, lambda image: 90 - (image // 4))
    assert np.quantile(faint, 0.98) < 5e-3


def test_colour_is_weighed_as_the_eye_does():
    picture = np.zeros((3, 40, 40), np.uint8)
    picture[1, 10:30, 15:20] = 200  # green
    picture[2, 10:30, 20:25] = 200  # blue
    out = digit_image(picture)[0]
    assert out[14, 11] == 1
    assert out[14, 18] == pytest.approx(0.114 / 0.587, abs=1e-6)


def test_the_longer_side_is_20_and_the_mass_in_the_middle():
    picture = np.full((90, 200), 250, np.uint8)
    picture[30:40, 20:170] = 5  # a lying bar: 20 wide and 1 or 2 high
    out = digit_image(picture)[0]
    rows, columns = (np.flatnonzero(out.any(axis=axis)) for axis in (1, 0))
    assert columns.tolist() == list(range(4, 24))
    assert rows.tolist() in ([14], [13, 14])


def test_mass_at_one_end_keeps_the_digit_inside():
    picture = np.zeros((50, 50), np.uint8)
    picture[5:45, 5:7] = 60
    picture[40:45, 5:45] = 255
    out = digit_image(picture)[0]
    assert np.flatnonzero(out.any(axis=1)).size == 20
    assert out[0].any()


@given(image=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_any_picture_is_prepared_or_shows_nothing(image):
    prepared, message = None, ""
    try:
        prepared = digit_image(image)
    except ValueError as error:
        message = str(error)
    if prepared is None:
        assert "the picture shows nothing" in message
    else:
        assert prepared.shape == (1, 28, 28)
        assert prepared.max() == 1
        assert prepared.min() >= 0


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (1, 700), (5, 1000)])
def test_tiny_and_thin_pictures_are_prepared(shape):
    image = np.zeros(shape, np.uint8)
    image.flat[-1] = 255
    assert digit_image(image).max() == 1


@pytest.mark.parametrize("grey", [0, 77, 255])
@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (3, 50, 40)])
def test_a_blank_picture_shows_nothing(shape, grey):
    with pytest.raises(ValueError, match="shows nothing: its contrast is 0 of 255 levels"):
        digit_image(np.full(shape, grey, np.uint8))


def test_paper_alone_shows_nothing():
    grain = np.random.default_rng(0).normal(180, 3, (300, 300)).astype(np.uint8)
    with pytest.raises(ValueError, match="digit_image: the picture shows nothing"):
        digit_image(grain)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((28, 28)), TypeError, "digit_image: image must be uint8, got float64"),
        (
            np.zeros((28, 28, 3), np.uint8),
            ValueError,
            r"\(1 or 3\) x H x W, got shape \(28, 28, 3\)",
        ),
        (np.zeros((3, 0, 5), np.uint8), ValueError, r"got shape \(3, 0, 5\)"),
        (np.zeros(9, np.uint8), ValueError, r"got shape \(9,\)"),
    ],
)
def test_digit_image_refuses(image, error, message):
    with pytest.raises(error, match=message):
        digit_image(image)


def test_a_png_with_alpha_is_prepared_as_the_plain_one(tmp_path, originals):
    image = originals[0]
    rgba = np.zeros((28, 28, 4), np.uint8)
    rgba[..., 3] = image  # black ink on nothing
    Image.fromarray(rgba).save(tmp_path / "ink.png")
    out = digit_image(load_image(tmp_path / "ink.png"))
    np.testing.assert_allclose(out, digit_image(image), atol=0.01)
