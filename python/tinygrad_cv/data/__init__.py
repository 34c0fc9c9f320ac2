"""Data sets, and loaders that cut them into batches."""

from __future__ import annotations

from typing import Any

from tinygrad_cv.data import augment
from tinygrad_cv.data.cifar import cifar10, cifar100
from tinygrad_cv.data.dataset import (
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from tinygrad_cv.data.digit_image import digit_image
from tinygrad_cv.data.digits import digits
from tinygrad_cv.data.folder import ImageFolder
from tinygrad_cv.data.image_file import load_image
from tinygrad_cv.data.images import ImageDataset
from tinygrad_cv.data.loader import DataLoader
from tinygrad_cv.data.mnist import fashion_mnist, mnist
from tinygrad_cv.data.named import named
from tinygrad_cv.data.standardize import Standardize

__all__ = [
    "DataLoader",
    "Dataset",
    "ImageDataset",
    "ImageFolder",
    "Standardize",
    "Subset",
    "TensorDataset",
    "augment",
    "cifar10",
    "cifar100",
    "default_collate",
    "digit_image",
    "digits",
    "fashion_mnist",
    "load_image",
    "mnist",
    "named",
    "preprocessing",
    "random_split",
]


def __getattr__(name: str) -> Any:
    if name == "preprocessing":  # on first use, since it needs scikit-learn
        from importlib import import_module

        return import_module("tinygrad_cv.data.preprocessing")
    raise AttributeError(f"module 'tinygrad_cv.data' has no attribute {name!r}")
