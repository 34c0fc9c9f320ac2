"""Augmentations: what they do to pixels, and that a sample's randomness is its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.data import DataLoader, ImageDataset
from tinygrad_cv.data.augment import (
    Augmentation,
    ColorJitter,
    Compose,
    CutMix,
    ElasticTransform,
    MixUp,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomRotation,
    SampleRandom,
)

OF_SAMPLES = [
    RandomHorizontalFlip(),
    RandomCrop(5, padding=2),
    RandomRotation(30),
    RandomAffine(20, (0.2, 0.1), (0.8, 1.2), 10),
    ElasticTransform(1.5),
    ColorJitter(0.3, 0.3, 0.3, 0.2),
    RandomErasing(p=0.8),
    RandomErasing(p=0.8, value="random"),
    Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.4]),
]
IDS = [f"{i}-{type(augment).__name__}" for i, augment in enumerate(OF_SAMPLES)]


def pictures(count=12, channels=3, size=6, seed=0):
    return np.random.default_rng(seed).random((count, channels, size, size), np.float32)


@pytest.mark.parametrize("augment", OF_SAMPLES, ids=IDS)
def test_a_sample_is_changed_alike_in_every_batch(augment):
    images = pictures()
    together = augment(images, SampleRandom(3, range(12)))
    assert together.dtype == np.float32
    order = np.array([7, 2, 11])
    parts = augment(images[order], SampleRandom(3, order))
    np.testing.assert_allclose(parts, together[order], rtol=0, atol=1e-6)
    if not isinstance(augment, Normalize):
        assert not np.array_equal(together, augment(images, SampleRandom(4, range(12))))


@pytest.mark.parametrize("augment", OF_SAMPLES, ids=IDS)
def test_the_images_given_stay_as_they_are(augment):
    images = pictures()
    augment(images, SampleRandom(3, range(12)))
    np.testing.assert_array_equal(images, pictures())


def test_numbers_are_uniform_and_independent_of_neighbours():
    draws = SampleRandom(1, np.arange(20000))
    first, second = draws.uniform(), draws.uniform(-1, 3)
    assert abs(first.mean() - 0.5) < 0.01
    assert abs(first.var() - 1 / 12) < 0.003
    assert second.min() >= -1
    assert second.max() < 3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.02
    counts = np.bincount(draws.integers(2, 5))
    assert counts[:2].sum() == 0
    assert (abs(counts[2:] - 20000 / 3) < 400).all()


@given(seed=st.integers(0, 2**32), p=st.sampled_from([0.0, 1.0]))
def test_flip_exchanges_left_and_right(seed, p):
    images = pictures()
    out = RandomHorizontalFlip(p)(images, SampleRandom(seed, range(12)))
    np.testing.assert_array_equal(out, images[..., ::-1] if p else images)


def test_crop_is_a_window_of_the_framed_image():
    images = pictures()
    out = RandomCrop((5, 4), padding=2, fill=9.0)(images, SampleRandom(0, range(12)))
    places = set()
    for image, window in zip(images, out, strict=True):
        framed = np.full((3, 10, 10), 9.0, np.float32)
        framed[:, 2:8, 2:8] = image
        found = [
            (top, left)
            for top in range(6)
            for left in range(7)
            if np.array_equal(framed[:, top : top + 5, left : left + 4], window)
        ]
        assert len(found) == 1
        places |= set(found)
    assert len(places) > 6


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_exact(turns):
    images = pictures()
    out = RandomRotation((90 * turns, 90 * turns))(images, SampleRandom(0, range(12)))
    np.testing.assert_allclose(out, np.rot90(images, turns, (2, 3)), atol=1e-5)


def test_moving_by_whole_pixels_shifts_and_fills():
    image = np.zeros((1, 1, 5, 5), np.float32)
    image[0, 0, 2, 2] = 1
    moved = set()
    for index in range(40):
        out = RandomAffine(0, (0.4, 0.0), fill=0.0)(image, SampleRandom(0, [index]))
        columns = out[0, 0].sum(axis=0)
        assert out[0, 0, [0, 1, 3, 4]].sum() == 0  # nothing moved up or down
        assert columns.sum() == pytest.approx(1, abs=1e-5)
        moved.add(round(float((columns * np.arange(5)).sum()), 3))
    assert min(moved) < 1
    assert max(moved) > 3


def test_scale_magnifies_about_the_centre():
    ramp = np.broadcast_to(np.arange(9, dtype=np.float32), (1, 1, 9, 9)).copy()
    out = RandomAffine(0, scale=(2, 2))(ramp, SampleRandom(0, [0]))
    np.testing.assert_allclose(out[0, 0, 4], 4 + (np.arange(9) - 4) / 2, atol=1e-5)


def test_affine_agrees_with_torchvision_conventions():
    """A slant along x moves rows sideways in proportion to their distance from the centre."""
    image = np.zeros((1, 1, 9, 9), np.float32)
    image[0, 0, :, 4] = 1
    out = RandomAffine(0, shear=(45, 45))(image, SampleRandom(0, [0]))[0, 0]
    np.testing.assert_allclose(out, np.eye(9), atol=1e-5)


def test_an_elastic_image_of_one_value_keeps_it_inside():
    out = ElasticTransform(1.0)(np.ones((2, 1, 9, 9), np.float32), SampleRandom(0, [0, 1]))
    np.testing.assert_allclose(out[:, :, 2:-2, 2:-2], 1, atol=1e-6)


def test_brightness_and_contrast_are_factors():
    images = pictures() / 4
    bright = ColorJitter(brightness=(2, 2))(images, SampleRandom(0, range(12)))
    np.testing.assert_allclose(bright, 2 * images, rtol=1e-6)
    flat = ColorJitter(contrast=(0, 0))(images, SampleRandom(0, range(12)))
    grey = np.tensordot(images, [0.299, 0.587, 0.114], (1, 0)).mean(axis=(1, 2))
    np.testing.assert_allclose(flat, np.broadcast_to(grey[:, None, None, None], flat.shape), 1e-4)


def test_saturation_zero_is_grey_and_a_whole_turn_of_hue_is_nothing():
    images = 0.3 + pictures() / 4
    grey = ColorJitter(saturation=(0, 0))(images, SampleRandom(0, range(12)))
    np.testing.assert_allclose(
        grey[:, 0], np.tensordot(images, [0.299, 0.587, 0.114], (1, 0)), 1e-4
    )
    np.testing.assert_allclose(grey[:, 0], grey[:, 2], atol=1e-6)
    half = ColorJitter(hue=(0.5, 0.5))
    twice = half(half(images, SampleRandom(0, range(12))), SampleRandom(0, range(12)))
    np.testing.assert_allclose(twice, images, atol=1e-3)


def test_erasing_covers_one_rectangle_of_the_size_asked_for():
    images = np.ones((200, 1, 20, 20), np.float32)
    out = RandomErasing(1.0, scale=(0.1, 0.2), ratio=(0.5, 2))(images, SampleRandom(0, range(200)))
    for image in out[:, 0]:
        rows, columns = np.flatnonzero((image == 0).any(1)), np.flatnonzero((image == 0).any(0))
        assert (image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 0).all()
        assert 0.07 < len(rows) * len(columns) / 400 < 0.25
        assert 0.4 < len(rows) / len(columns) < 2.5
    np.testing.assert_array_equal(RandomErasing(0.0)(images, SampleRandom(0, range(200))), images)


def test_normalize_brings_channels_to_mean_zero():
    images = pictures(50)
    mean, std = images.mean(axis=(0, 2, 3)), images.std(axis=(0, 2, 3))
    out = Normalize(mean, std)(images, SampleRandom(0, range(50)))
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_mixing_mixes_images_and_labels_by_the_same_share(kind):
    labels = np.arange(8)
    images = np.broadcast_to(np.eye(8, dtype=np.float32)[:, :, None, None], (8, 8, 10, 10)).copy()
    mixed, likely = kind(num_classes=8).batch(images, labels, SampleRandom(5, range(8)))
    assert likely.dtype == np.float32
    np.testing.assert_allclose(mixed.mean(axis=(2, 3)), likely, atol=1e-6)
    assert (np.count_nonzero(likely, axis=1) <= 2).all()
    assert np.count_nonzero(likely) > 8
    if kind is CutMix:
        assert set(np.unique(mixed)) == {0, 1}


def test_mixed_labels_are_learned_from():
    images, labels = tg.from_numpy(pictures(4)), np.array([0, 1, 2, 1])
    _, likely = MixUp(num_classes=3).batch(images.numpy(), labels, SampleRandom(0, range(4)))
    loss = tg.functional.cross_entropy(tg.zeros(4, 3), tg.from_numpy(likely))
    assert loss.item() == pytest.approx(np.log(3))


def loader(workers, **options):
    data = ImageDataset(
        np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), np.uint8),
        np.arange(50) % 5,
        list("abcde"),
    )
    augment = Compose([RandomCrop(8, 2), RandomRotation(10), RandomErasing()])
    return DataLoader(
        data, 7, shuffle=True, seed=3, augment=augment, num_workers=workers, **options
    )


def epochs(loader, count=2):
    return [[(x.numpy(), y.numpy()) for x, y in loader] for _ in range(count)]


def same(first, second):
    return all(
        np.array_equal(x, u) and np.array_equal(y, v)
        for a, b in zip(first, second, strict=True)
        for (x, y), (u, v) in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_same_batches(workers):
    assert same(epochs(loader(0)), epochs(loader(workers)))


def test_every_epoch_is_augmented_anew():
    plain = DataLoader(loader(0).dataset, 50, seed=3, augment=RandomRotation(20))
    (first,), (second,) = epochs(plain)
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_taken_up_in_its_middle(workers):
    whole = loader(workers)
    list(whole)
    start = whole.state_dict()
    want = [[(x.numpy(), y.numpy()) for x, y in whole] for _ in range(2)]
    again = loader(workers)
    again.load_state_dict(start)
    rest = [(x.numpy(), y.numpy()) for x, y in again.epoch(skip=5)]
    assert same([want[0][5:], want[1]], [rest, *epochs(again, 1)])


def test_an_epoch_left_early_ends_its_workers():
    batches = iter(loader(2))
    first = next(batches)
    batches.close()
    assert len(first[1]) == 7


def test_an_error_in_a_worker_arrives():
    class Broken(Augmentation):
        def __call__(self, images, random):
            raise ValueError("broken picture")

    bad = DataLoader(loader(0).dataset, 7, augment=Broken(), num_workers=2)
    with pytest.raises(ValueError, match="broken picture"):
        list(bad)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RandomHorizontalFlip(1.5), ValueError, r"p must be in \[0, 1\], got 1\.5"),
        (lambda: RandomCrop(0), ValueError, "size must be one or two ints from 1, got 0"),
        (lambda: RandomCrop(3, -1), ValueError, "padding must be at least 0, got -1"),
        (lambda: RandomAffine((3, 1)), ValueError, r"degrees must be \(low, high\), got \(3, 1\)"),
        (lambda: RandomAffine("x"), ValueError, "degrees must be a pair"),
        (lambda: RandomAffine(0, (0, 2)), ValueError, r"translate\[1\] must be in \[0, 1\], got 2"),
        (lambda: RandomAffine(0, scale=(0, 1)), ValueError, "scale must be above 0"),
        (lambda: ElasticTransform(-1), ValueError, "alpha must be at least 0, got -1"),
        (lambda: ElasticTransform(1, 1), ValueError, "cells must be at least 2, got 1"),
        (lambda: ColorJitter(hue=0.7), ValueError, r"hue must be in \[-0\.5, 0\.5\] turns, got 0\.7"),
        (lambda: ColorJitter((-1, 1)), ValueError, "brightness must be at least 0"),
        (lambda: Normalize([0], [0]), ValueError, r"std must be above 0, got \[0\.0\]"),
        (lambda: Normalize([0], [1, 1]), ValueError, "1 means but 2 deviations"),
        (lambda: RandomErasing(ratio=(0, 1)), ValueError, "ratio must be above 0"),
        (lambda: RandomErasing(value="black"), ValueError, "a number or 'random', got 'black'"),
        (lambda: MixUp(0, num_classes=3), ValueError, "MixUp: alpha must be above 0, got 0"),
        (lambda: CutMix(num_classes=0), ValueError, "num_classes must be at least 1, got 0"),
        (lambda: Compose([len]), TypeError, "Compose: transform 0 must be an Augmentation"),
        (lambda: DataLoader([1], augment=len), TypeError, "augment must be an Augmentation"),
        (lambda: DataLoader([1], num_workers=-1), ValueError, "num_workers must be at least 0"),
        (lambda: list(DataLoader(range(3), augment=RandomHorizontalFlip())), TypeError, "two tensors"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: RandomCrop(9)(pictures(2), r), ValueError, r"\(6, 6\) with their padding"),
        (lambda r: Normalize([0], [1])(pictures(2), r), ValueError, "3 channels but mean has 1"),
        (lambda r: ColorJitter(hue=0.1)(pictures(2, 1), r), ValueError, "3 channels, got 1"),
        (lambda r: RandomRotation(5)(pictures(3), r), ValueError, r"N = 2, got \(3, 3, 6, 6\)"),
        (
            lambda r: RandomHorizontalFlip()(pictures(2).astype(np.uint8), r),
            TypeError,
            "images must be floats, got uint8",
        ),
        (
            lambda r: MixUp(num_classes=3).batch(pictures(2), np.array([0, 3]), r),
            ValueError,
            "labels are 0 to 3 but num_classes=3",
        ),
        (lambda r: MixUp(num_classes=3)(pictures(2), r), TypeError, "call batch"),
    ],
)
def test_wrong_images_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(SampleRandom(0, range(2)))
