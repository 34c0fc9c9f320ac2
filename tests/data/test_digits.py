"""The packed digits: balanced, whole, from MNIST, and checked."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.data import digits, mnist, pack_digits

FOLDER = pack_digits.FOLDER


@pytest.mark.parametrize(("train", "count"), [(True, 10_000), (False, 2_000)])
def test_digits_are_balanced(train, count):
    data = digits(train)
    assert data.images.shape == (count, 1, 28, 28)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(data.labels), np.full(10, count // 10))


def test_digits_are_in_random_order():
    labels = digits().labels
    for chunk in np.split(labels, 10):  # 1,000 each; a class has 100 in one, give or take
        assert np.bincount(chunk, minlength=10).min() > 60


def test_digits_are_distinct_and_none_is_in_both_halves():
    rows = np.concatenate([digits(train).arrays()[0] for train in (True, False)])
    assert len(np.unique(rows, axis=0)) == 12_000


def test_digits_look_like_mnist():
    images = digits().images / np.float64(255)
    assert images.mean() == pytest.approx(0.1307, abs=0.002)
    assert images.std() == pytest.approx(0.3081, abs=0.003)


def test_digits_take_little_room():
    files = list(FOLDER.iterdir())
    assert len(files) == 4
    assert sum(file.stat().st_size for file in files) < 2.5e6


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_digits_say_that_the_package_is_damaged(tmp_path, monkeypatch, damage):
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    images = tmp_path / "train-images-idx3-ubyte.gz"
    content = bytearray(images.read_bytes())
    content[len(content) // 2] ^= 1
    images.write_bytes(content[:1000] if damage == "cut" else content)
    if damage == "missing":
        images.unlink()
    monkeypatch.setitem(digits.__globals__, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.*; install tinygrad-cv again"):
        digits()


@pytest.mark.data
def test_packing_again_gives_the_same_digits(full_data, tmp_path):
    pack_digits.pack(full_data, tmp_path)
    for train in (True, False):
        packed, again = digits(train), mnist(tmp_path, train)
        np.testing.assert_array_equal(again.images, packed.images)
        np.testing.assert_array_equal(again.labels, packed.labels)


@pytest.mark.data
@pytest.mark.parametrize("train", [True, False])
def test_digits_are_images_of_mnist_with_their_labels(full_data, train):
    label_of = {
        image.tobytes(): label for image, label in zip(*mnist(train=train).arrays(), strict=True)
    }
    for image, label in zip(*digits(train).arrays(), strict=True):
        assert label_of[image.tobytes()] == label
