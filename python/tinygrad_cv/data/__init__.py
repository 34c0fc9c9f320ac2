"""Data sets, and loaders that cut them into batches."""

from __future__ import annotations

from tinygrad_cv.data.dataset import (
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from tinygrad_cv.data.digits import digits
from tinygrad_cv.data.images import ImageDataset
from tinygrad_cv.data.loader import DataLoader
from tinygrad_cv.data.mnist import mnist

__all__ = [
    "DataLoader",
    "Dataset",
    "ImageDataset",
    "Subset",
    "TensorDataset",
    "default_collate",
    "digits",
    "mnist",
    "random_split",
]
