"""bincount and unique: values against PyTorch and by hand, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "lib.bincount(i)",
        "lib.bincount(i, minlength=12)",
        "i.bincount(w)",
        "i.bincount(w.float(), 3)",
        "i.bincount(i)",
        "lib.bincount(i[:0])",
        "lib.unique(i)",
        "lib.unique(i, return_inverse=True, return_counts=True)",
        "m.unique(return_inverse=True)",
        "m.unique(return_counts=True)",
        "lib.unique(m, dim=0, return_inverse=True, return_counts=True)",
        "lib.unique(m, dim=-1, return_inverse=True)",
        "lib.unique(lib.tensor([float('nan'), 1.0, float('nan')]), return_counts=True)",
        "lib.unique(lib.tensor(3.0), return_inverse=True)",
    ],
)
def test_counting_agrees_with_torch(agree, code):
    i, w = np.array([3, 1, 3, 0, 7]), np.array([0.5, 1.5, 2.0, -1.0, 4.0])
    m = np.array([[1, 2, 1], [3, 0, 3], [1, 2, 1]])
    agree(code, order=0, i=i, w=w, m=m)


def test_bincount_counts_by_hand():
    assert tg.bincount(tg.tensor([0, 2, 2])).tolist() == [1, 0, 2]


def test_unique_by_hand():
    values, inverse, counts = tg.tensor([3, 1, 3]).unique(True, True, True)
    assert values.tolist() == [1, 3]
    assert inverse.tolist() == [1, 0, 1]
    assert counts.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: tg.tensor([0.0]).bincount(), TypeError, "expected integers, got float32"),
        (lambda: tg.tensor([1, -2]).bincount(), ValueError, "smallest -2"),
        (lambda: tg.tensor([[1]]).bincount(), ValueError, r"got shape \(1, 1\)"),
        (lambda: tg.tensor([1]).bincount(tg.ones(2)), ValueError, r"shape \(2,\) but input \(1,\)"),
        (lambda: tg.tensor([1]).unique(dim=1), IndexError, "dim 1"),
    ],
)
def test_counting_refuses(call, error, match):
    with pytest.raises(error, match=match):
        call()
