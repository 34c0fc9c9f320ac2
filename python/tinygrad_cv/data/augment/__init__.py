"""Augmentation: images changed at random, a whole batch at once, under torchvision's names.

What happens to a sample depends on the seed, the epoch and the sample's index alone, so batches are
the same for any number of workers. `DataLoader(…, augment=…)` calls these; images are float arrays
of shape (N, C, H, W), in [0, 1] where colours are changed.
"""

from __future__ import annotations

from tinygrad_cv.data.augment.augmentation import Augmentation, Compose
from tinygrad_cv.data.augment.colour import ColorJitter, Normalize
from tinygrad_cv.data.augment.geometry import (
    ElasticTransform,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
)
from tinygrad_cv.data.augment.mixing import CutMix, MixUp, RandomErasing
from tinygrad_cv.data.augment.sample_random import SampleRandom

__all__ = [
    "Augmentation",
    "ColorJitter",
    "Compose",
    "CutMix",
    "ElasticTransform",
    "MixUp",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "SampleRandom",
]
