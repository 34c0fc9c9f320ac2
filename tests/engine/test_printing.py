"""How tensors print."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (tg.tensor(1.5), "tensor(1.5000)"),
        (tg.tensor(2), "tensor(2)"),
        (tg.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (tg.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (tg.tensor([True, False]), "tensor([ True, False])"),
        (tg.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
        (tg.tensor([1.0, float("nan"), float("-inf")]), "tensor([  1.,  nan, -inf])"),
        (tg.tensor([1.0], dtype="float64"), "tensor([1.], dtype=float64)"),
        (tg.tensor([1], dtype="uint8"), "tensor([1], dtype=uint8)"),
        (tg.tensor([]), "tensor([])"),
        (tg.zeros(0, 3), "tensor([], size=(0, 3))"),
        (tg.zeros(2, 0, dtype="float64"), "tensor([], dtype=float64, size=(2, 0))"),
        (tg.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (tg.tensor([1.0], requires_grad=True) * 2, "tensor([2.], gate=Mul)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_repr(tensor, text):
    assert repr(tensor) == text
    assert str(tensor) == text


def test_very_large_and_small_numbers_print_scientifically():
    assert repr(tg.tensor([1.5e-8, 1.0])) == "tensor([1.5000e-08, 1.0000e+00])"
    assert repr(tg.tensor([1e10, 1.5])) == "tensor([1.0000e+10, 1.5000e+00])"


def test_large_tensors_are_summarised():
    text = repr(tg.tensor(np.arange(10_000.0, dtype="float32").reshape(100, 100)))
    assert text.startswith(
        "tensor([[   0.,    1.,    2., ...,   97.,   98.,   99.],\n        [ 100."
    )
    assert text.count("...") == 7
    assert len(text) < 600


@pytest.mark.torch
@pytest.mark.parametrize(
    "values",
    [[1.0, 2.0], [1.5, -2.25], [[1, -2], [30, 4]], [True, False], [0.1, 1e-3], [1e-8, 1.0], 3.25],
    ids=str,
)
def test_repr_is_pytorchs(values):
    torch = pytest.importorskip("torch")
    assert repr(tg.tensor(values)) == repr(torch.tensor(values))
