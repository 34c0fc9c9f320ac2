"""Image files of every mode become bytes C x H x W; what is no image is named."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinygrad_cv.data.image_file import load_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GREY = RGB[..., 0]


def written(tmp_path, image, name="image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_colour_comes_plane_by_plane(tmp_path):
    got = load_image(written(tmp_path, Image.fromarray(RGB)))
    np.testing.assert_array_equal(got, RGB.transpose(2, 0, 1), strict=True)
    assert got.flags.c_contiguous
    assert got.flags.writeable


def test_grey_has_one_plane(tmp_path):
    path = written(tmp_path, Image.fromarray(GREY))
    np.testing.assert_array_equal(load_image(path), GREY[None], strict=True)
    np.testing.assert_array_equal(load_image(path, channels=3), np.stack([GREY] * 3))


def test_colour_becomes_grey_on_demand(tmp_path):
    got = load_image(written(tmp_path, Image.fromarray(RGB)), channels=1)
    want = RGB @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(got[0], want, atol=0.51)


def test_16_bits_become_8(tmp_path):
    values = np.array([[0, 128, 129, 257, 25700, 65535]], np.uint16)
    got = load_image(written(tmp_path, Image.fromarray(values)))
    assert got.tolist() == [[[0, 0, 1, 1, 100, 255]]]


def test_a_palette_becomes_colour(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert load_image(written(tmp_path, image)).tolist() == [[[10, 40]], [[20, 50]], [[30, 60]]]


def test_a_palette_with_a_transparent_entry_gets_a_ground(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    got = load_image(written(tmp_path, image, transparency=0))
    assert got.tolist() == [[[255, 40]], [[255, 50]], [[255, 60]]]


@pytest.mark.parametrize(("ink", "ground"), [(20, 255), (230, 0)])
def test_transparent_parts_contrast_with_the_ink(tmp_path, ink, ground):
    pixels = np.array([[[ink, 255], [ink, 0], [99, 0]]], np.uint8)
    got = load_image(written(tmp_path, Image.fromarray(pixels, "LA")))
    assert got.tolist() == [[[ink, ground, ground]]]


def test_bilevel_becomes_black_and_white(tmp_path):
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert load_image(written(tmp_path, image)).tolist() == [[[0, 255]]]


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    path = written(tmp_path, Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(load_image(path), np.rot90(RGB, -1).transpose(2, 0, 1))


def test_jpeg_in_any_colour_space_becomes_colour(tmp_path):
    plain = Image.new("RGB", (16, 16), (200, 100, 50))
    for mode in ("RGB", "CMYK"):
        got = load_image(written(tmp_path, plain.convert(mode), f"{mode}.jpg", quality=95))
        assert np.abs(got.mean(axis=(1, 2)) - [200, 100, 50]).max() < 3


@pytest.mark.parametrize(
    "content",
    [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + b"x" * 99],
    ids=["empty", "text", "signature", "signature and noise"],
)
def test_a_png_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "digit.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"load_image: .*digit\.png is (no image|damaged)"):
        load_image(path)


def whole_file(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.kron(RGB, np.ones((9, 9, 1), np.uint8))).save(buffer, kind)
    return buffer.getvalue()


WHOLE = {kind: whole_file(kind) for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp")}


# Pillow warns of a cut TIFF before it raises.
@pytest.mark.filterwarnings("ignore:(Truncated File Read|Corrupt EXIF data)")
@given(kind=st.sampled_from(sorted(WHOLE)), share=st.floats(0, 0.9))
def test_a_cut_file_is_named_or_gives_the_size_that_it_says(tmp_path_factory, kind, share):
    path = tmp_path_factory.getbasetemp() / f"cut.{kind}"
    path.write_bytes(WHOLE[kind][: int(share * len(WHOLE[kind]))])
    shape, message = None, ""
    try:
        shape = load_image(path).shape
    except ValueError as error:
        message = str(error)
    # Some formats only lose a trailer.
    assert shape == (3, 45, 63) or f"load_image: {path} is" in message


def test_a_damaged_image_is_named(tmp_path):
    path = tmp_path / "half.png"
    path.write_bytes(WHOLE["png"][: len(WHOLE["png"]) // 2])
    with pytest.raises(ValueError, match=r"load_image: .*half\.png is damaged"):
        load_image(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        load_image(tmp_path / "nothing.png")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        load_image(tmp_path)


def test_other_channels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="load_image: channels must be 1, 3 or None, got 4"):
        load_image(tmp_path / "x.png", channels=4)
