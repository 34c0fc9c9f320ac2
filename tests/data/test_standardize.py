"""Standardization: mean 0 and variance 1 by the training images' numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.data import DataLoader, ImageDataset, Standardize


def images(seed=0, channels=3):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (20, channels, 5, 4)) // np.arange(1, channels + 1)[:, None, None]
    return ImageDataset(pixels.astype(np.uint8), np.arange(20) % 2, ["a", "b"])


def test_the_training_images_get_mean_zero_and_variance_one():
    data = images()
    data.transform = Standardize.of(data)
    batch, _ = next(iter(DataLoader(data, 20)))
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch.numpy().mean((0, 2, 3)), 0.0, atol=1e-6)
    np.testing.assert_allclose(batch.numpy().std((0, 2, 3)), 1.0, rtol=1e-5)


def test_its_numbers_are_those_of_the_values_in_0_to_1():
    data = images()
    transform = Standardize.of(data)
    values = data.images / 255
    np.testing.assert_allclose(transform.mean, values.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(transform.std, values.std((0, 2, 3)), rtol=1e-12)


def test_other_images_by_the_formula_one_by_one_or_at_once():
    transform = Standardize.of(images())
    other = images(seed=1)
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (transform.mean, transform.std))
    want = (other.images / 255 - mean) / std
    np.testing.assert_allclose(transform(other.images), want, rtol=1e-4, atol=1e-6)
    other.transform = transform
    np.testing.assert_array_equal(other[3][0].numpy(), transform(other.images)[3])


def test_floats_are_taken_as_they_are():
    transform = Standardize([0.5], [0.25])
    bytes_of = np.array([[[[0, 51, 255]]]], np.uint8)
    floats = (bytes_of / 255).astype(np.float32)
    np.testing.assert_allclose(transform(bytes_of), [[[[-2.0, -1.2, 2.0]]]], rtol=1e-6)
    np.testing.assert_allclose(transform(floats), transform(bytes_of), rtol=1e-6)


@pytest.mark.parametrize(
    ("mean", "std"), [([0.1], [0.0]), ([0.1], [-1.0]), ([0.1, 0.2], [1.0]), ([0.1], [np.nan])]
)
def test_deviations_must_be_positive_and_as_many_as_means(mean, std):
    with pytest.raises(ValueError, match="a deviation above 0 for each channel, got mean="):
        Standardize(mean, std)


def test_images_without_contrast_and_of_other_channels():
    flat = ImageDataset(np.full((2, 1, 2, 2), 7, np.uint8), np.zeros(2, int), ["a"])
    with pytest.raises(ValueError, match="a deviation above 0"):
        Standardize.of(flat)
    with pytest.raises(ValueError, match=r"images \(2, 1, 2, 2\) have 1 channels but there are 2"):
        Standardize([0.0, 0.0], [1.0, 1.0])(flat.images)
