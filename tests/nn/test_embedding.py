"""Embeddings look rows up, and their gradients add up where a row is used twice."""

from __future__ import annotations

import numpy as np
import pytest
from on_device import check_refused

import tinygrad_cv as tg
from tinygrad_cv import nn


def test_rows_are_looked_up_and_gradients_add_up():
    layer = nn.Embedding(5, 3, dtype=tg.float64, generator=tg.Generator(0))
    index = tg.tensor([[0, 4], [4, 2]])
    out = layer(index)
    np.testing.assert_array_equal(out.numpy(), layer.weight.numpy()[index.numpy()])
    out.backward(tg.ones(2, 2, 3, dtype=tg.float64))
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [1.0, 0.0, 1.0, 0.0, 2.0])


def test_the_padding_row_is_zero_and_stays():
    layer = nn.Embedding(4, 2, padding_idx=-1)
    assert layer.weight.numpy()[3].tolist() == [0.0, 0.0]
    layer(tg.tensor([3, 1])).sum().backward()
    assert layer.weight.grad.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert repr(layer) == "Embedding(4, 2, padding_idx=3)"


def test_starts_from_the_normal_distribution():
    values = nn.Embedding(300, 100, generator=tg.Generator(0)).weight.numpy()
    assert values.std() == pytest.approx(1.0, rel=0.02)
    assert abs(values.mean()) < 0.02


def test_an_existing_table_is_shared_and_frozen():
    table = tg.ones(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert np.shares_memory(layer.weight.array, table.array)
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match=r"must have 2 dimensions, got \(3,\)"):
        nn.Embedding.from_pretrained(tg.ones(3))


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="padding_idx 4 is none of the 4 rows"):
        nn.Embedding(4, 2, padding_idx=4)
    with pytest.raises(ValueError, match="embedding_dim must be at least 1, got 0"):
        nn.Embedding(4, 0)
    check_refused(lambda: nn.Embedding(4, 2)(tg.tensor([7])), IndexError, "7")
