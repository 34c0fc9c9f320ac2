"""Data sets by name, and folders of images as data sets."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from tinygrad_cv.data import ImageDataset, ImageFolder, named


def save(path, shade, size=(4, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 0)).save(path)


def fill(root, count=10, classes=("cat", "dog")):
    for kind in classes:
        for i in range(count):
            save(root / kind / f"{i:02}.png", 20 * i)


def test_the_digits_are_inside():
    train, test = named("digits")
    assert (len(train), len(test)) == (10_000, 2_000)
    assert train.images.shape[1:] == (1, 28, 28)


def test_a_folder_is_split_by_the_seed(tmp_path):
    fill(tmp_path)
    train, test = named(str(tmp_path), seed=3)
    assert (len(train), len(test)) == (16, 4)
    assert train.classes == test.classes == ("cat", "dog")
    assert train.images.shape == (16, 3, 3, 4)
    both = np.concatenate([train.images[:, 0, 0, 0], test.images[:, 0, 0, 0]])
    labels = np.concatenate([train.labels, test.labels])
    found = sorted(zip(labels.tolist(), both.tolist(), strict=True))
    assert found == [(label, 20 * i) for label in (0, 1) for i in range(10)]
    again, _ = named(str(tmp_path), seed=3)
    other, _ = named(str(tmp_path), seed=4)
    assert (again.images == train.images).all()
    assert (other.images != train.images).any()


def test_a_folder_may_have_test_images_of_its_own(tmp_path):
    fill(tmp_path / "train", 3)
    fill(tmp_path / "test", 2)
    train, test = named(tmp_path)
    assert (len(train), len(test)) == (6, 4)
    assert test.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("own_test", [False, True])
def test_a_streamed_folder_has_the_images_of_one_in_memory(tmp_path, monkeypatch, own_test):
    for part in ("train", "test") if own_test else (".",):
        fill(tmp_path / part)
        (tmp_path / part / "cat" / "00a.png").write_bytes(b"no picture")
    in_memory = named(str(tmp_path), seed=3, on_error="skip")
    streamed = named(str(tmp_path), seed=3, on_error="skip", stream=True)
    for held, read in zip(in_memory, streamed, strict=True):
        assert isinstance(held, ImageDataset)
        assert isinstance(read, ImageFolder)
        for got, want in zip(read[:], held[:], strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())
    with pytest.raises(ValueError, match=r"00a\.png is no image"):
        named(str(tmp_path), seed=3)
    assert isinstance(named(str(tmp_path), on_error="skip", stream=None).train, ImageDataset)
    monkeypatch.setattr(sys.modules[named.__module__], "_memory", lambda: 100)
    assert isinstance(named(str(tmp_path), on_error="skip", stream=None).train, ImageFolder)


def test_folders_that_do_not_fit(tmp_path):
    fill(tmp_path / "a" / "train", 2)
    fill(tmp_path / "a" / "test", 2, ("cat", "cow"))
    with pytest.raises(ValueError, match=r"are \('cat', 'dog'\) but those of test \('cat', 'cow'"):
        named(tmp_path / "a")
    fill(tmp_path / "b", 2)
    save(tmp_path / "b" / "dog" / "large.png", 0, size=(8, 8))
    with pytest.raises(ValueError, match=r"large\.png is 8 x 8 pixels but .*00\.png is 4 x 3"):
        named(tmp_path / "b")


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(
        ValueError, match=r"expected digits, mnist, .* or a folder of images, got 'c"
    ):
        named("cats")
    for name in ("digits", str(tmp_path)):
        with pytest.raises(ValueError, match="needs no root, got '/there'"):
            named(name, "/there")
    with pytest.raises(FileNotFoundError, match="/nonexistent"):
        named("cifar10", "/nonexistent")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "lengths", "shape"),
    [("mnist", (60_000, 10_000), (1, 28, 28)), ("cifar10", (50_000, 10_000), (3, 32, 32))],
)
def test_the_large_ones_are_found_by_name(name, lengths, shape):
    train, test = named(name)
    assert (len(train), len(test)) == lengths
    assert train.images.shape[1:] == test.images.shape[1:] == shape
    assert len(train.classes) == 10
