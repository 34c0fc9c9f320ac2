"""Images in memory: bytes inside, float32 in [0, 1] outside, transforms by image and by batch."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.data import DataLoader, ImageDataset, Subset

CLASSES = ("cat", "dog", "bird")


def images(count=6, channels=3):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, channels, 4, 5), np.uint8), rng.integers(0, 3, count)


def test_a_sample_is_a_float_image_and_a_python_label():
    pixels, labels = images()
    image, label = ImageDataset(pixels, labels, CLASSES)[2]
    assert isinstance(image, tg.Tensor)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image.array, pixels[2].astype(np.float32) / np.float32(255))
    assert type(label) is int
    assert label == labels[2]


def test_every_byte_becomes_its_255th():
    data = ImageDataset(np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16), np.zeros(1, int), "a")
    want = np.arange(256) / 255
    np.testing.assert_array_equal(data[0][0].array.ravel(), want.astype(np.float32))


@pytest.mark.parametrize(
    "index", [slice(1, 4), slice(None, None, -2), [5, 0, 0, -1], np.array([2, 1])], ids=repr
)
def test_many_samples_are_a_batch(index):
    pixels, labels = images()
    batch, batch_labels = ImageDataset(pixels, labels, CLASSES)[index]
    np.testing.assert_array_equal(batch.array, pixels[index].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(batch_labels.array, labels[index])
    assert batch_labels.dtype == np.int64


def test_iteration_ends():
    pixels, labels = images()
    assert [label for _, label in ImageDataset(pixels, labels, CLASSES)] == labels.tolist()


def test_arrays_are_rows_of_bytes_without_a_copy():
    pixels, labels = images()
    data = ImageDataset(pixels, labels, CLASSES)
    rows, targets = data.arrays()
    np.testing.assert_array_equal(rows, pixels.reshape(6, 60))
    assert np.shares_memory(rows, data.images)
    assert (rows.dtype, targets.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(targets, labels)


def test_a_transform_takes_one_image_of_bytes():
    pixels, labels = images()
    data = ImageDataset(pixels, labels, CLASSES, transform=lambda image: image[:, ::-1].copy())
    assert data[1][0].dtype == np.uint8
    np.testing.assert_array_equal(data[1][0].array, pixels[1, :, ::-1])
    np.testing.assert_array_equal(data[1:3][0].array, pixels[1:3, :, ::-1])


class Centred:
    """A transform of whole batches that counts its calls."""

    batched = True

    def __init__(self):
        self.shapes = []

    def __call__(self, batch):
        self.shapes.append(batch.shape)
        return batch.astype(np.float32) - 128


def test_a_batched_transform_takes_whole_batches():
    pixels, labels = images()
    centred = Centred()
    data = ImageDataset(pixels, labels, CLASSES, transform=centred)
    loaded = [batch.array for batch, _ in DataLoader(Subset(data, range(5)), batch_size=3)]
    assert centred.shapes == [(3, 3, 4, 5), (2, 3, 4, 5)]
    np.testing.assert_array_equal(np.concatenate(loaded), pixels[:5].astype(np.float32) - 128)
    np.testing.assert_array_equal(data[4][0].array, pixels[4].astype(np.float32) - 128)


def test_a_transform_may_give_anything_that_collates():
    pixels, labels = images()
    data = ImageDataset(pixels, labels, CLASSES, transform=lambda image: {"mean": image.mean()})
    assert data[0][0] == {"mean": pixels[0].mean()}
    means, _ = data[:4]
    np.testing.assert_array_equal(means["mean"].array, pixels[:4].mean((1, 2, 3)))


def test_classes_and_length_show():
    pixels, labels = images()
    data = ImageDataset(pixels, labels, list(CLASSES))
    assert data.classes == CLASSES
    assert repr(data) == "ImageDataset(6 images (3, 4, 5), 3 classes)"


BYTES = np.zeros((2, 1, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "labels", "transform", "error", "message"),
    [
        (BYTES / 2, [0, 1], None, TypeError, "images must be uint8, got float64"),
        (BYTES, [0.0, 1.0], None, TypeError, "labels must be integers, got float64"),
        (BYTES[0], [0], None, ValueError, "images must be N x C x H x W, got shape (1, 4, 4)"),
        (BYTES, [0, 1, 2], None, ValueError, "2 images (2, 1, 4, 4) but labels of shape (3,)"),
        (BYTES, [0, 3], None, ValueError, "label 1 is 3 but there are classes 0 to 2"),
        (BYTES, [-1, 0], None, ValueError, "label 0 is -1 but there are classes 0 to 2"),
        (BYTES, [0, 1], "flip", TypeError, "transform must be callable, got 'flip'"),
    ],
)
def test_image_dataset_refuses(pixels, labels, transform, error, message):
    with pytest.raises(error, match=re.escape(f"ImageDataset: {message}")):
        ImageDataset(pixels, np.array(labels), CLASSES, transform)


def test_image_dataset_refuses_an_index_that_is_not_there():
    with pytest.raises(IndexError, match="ImageDataset: index 2 but there are 2 samples"):
        ImageDataset(BYTES, np.array([0, 1]), CLASSES)[2]
