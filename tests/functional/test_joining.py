"""Joining, taking apart, repeating, reversing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F

RNG = np.random.default_rng(2)
X, Y = RNG.standard_normal((4, 3)), RNG.standard_normal((2, 3))
IDS = np.array([[2, 0], [1, 1]])


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "lib.cat([x, y])",
        "lib.concat([x, lib.zeros(0), y, x])",
        "lib.cat([x.T, y.T], dim=-1)",
        "lib.cat([x.float(), y], 0)",
        "lib.stack([x[:2], y], dim=1)",
        "lib.stack([x[0, 0], y[1, 1]], dim=-1)",
        "lib.hstack([x.T, y.T])",
        "lib.hstack((x[0], y[1], x[1, 1]))",
        "lib.vstack([x, y, y[0]])",
        "lib.vstack((x[0, 0], y[1, 1]))",
        "lib.split(x, 3)",
        "x.split([1, 0, 2], dim=1)",
        "x.chunk(3)",
        "lib.chunk(y, 5, -1)",
        "x.unbind(1)",
        "x.select(-1, -2)",
        "x.narrow(0, -3, 2)",
        "x.repeat(2, 1, 3)",
        "y.repeat(0, 2)",
        "lib.tile(y, (2,))",
        "x.tile(2, 1, 2)",
        "lib.repeat_interleave(y, 2)",
        "y.repeat_interleave(lib.tensor([2, 0]), dim=0)",
        "x.flip(0, -1)",
        "lib.flip(x, (1,))",
        "x.roll(2)",
        "x.roll((1, -2), (0, 1))",
        "lib.meshgrid(x[0], y[1, :2], indexing='ij')",
        "lib.meshgrid([x[0], y[1, :2]], indexing='xy')",
    ],
)
def test_joining_agrees_with_torch(agree, code):
    agree(code, x=X, y=Y)


@pytest.mark.torch
def test_one_hot_agrees_with_torch(agree):
    agree("F.one_hot(i)", i=IDS)
    agree("F.one_hot(i, 5)", i=IDS)


@given(st.data())
def test_cat_undoes_split(data):
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    dim = data.draw(st.integers(0, 1))
    shape = [2, 2]
    shape[dim] = sum(lengths)
    x = tg.tensor(np.arange(np.prod(shape), dtype=float).reshape(shape), requires_grad=True)
    pieces = x.split(lengths, dim)
    assert [p.shape[dim] for p in pieces] == lengths
    back = tg.cat(pieces, dim)
    np.testing.assert_array_equal(back.detach().numpy(), x.detach().numpy())
    upstream = tg.tensor(np.random.default_rng(3).standard_normal(shape))
    back.backward(upstream)
    np.testing.assert_array_equal(x.grad.numpy(), upstream.numpy())


def test_pieces_of_a_tensor_are_views():
    x = tg.zeros(4, 2)
    assert all(np.shares_memory(p.array, x.array) for p in (*x.chunk(2), *x.unbind(1)))
    assert not np.shares_memory(x.flip(0).array, x.array)


@pytest.mark.parametrize(
    "code",
    [
        "x.split(1)",
        "x.split(3)",
        "x.split([1] * 20 + [0, 7])",
        "x.chunk(13)",
        "x.unbind()",
        "tuple(x)",
        "x.t().split(1, 1)",
        "x.t().unbind(1)",
    ],
)
def test_many_pieces_are_those_of_slices(code):
    values = np.arange(54.0).reshape(27, 2)
    x = tg.tensor(values, requires_grad=True)
    pieces = eval(code, {"x": x})
    assert sum(piece.numel() for piece in pieces) == x.numel()
    whole = np.concatenate([p.detach().numpy().reshape(-1) for p in pieces])
    np.testing.assert_array_equal(whole, values.reshape(-1))
    weights = [float(n) for n in range(1, len(pieces) + 1)]
    sum(w * (p * p).sum() for w, p in zip(weights, pieces, strict=True)).backward()
    named = np.repeat(weights, [p.numel() for p in pieces]).reshape(27, 2)
    np.testing.assert_array_equal(x.grad.numpy(), 2 * values * named)


def test_a_write_to_one_of_many_pieces_is_one_to_the_whole():
    x = tg.zeros(20, requires_grad=True)
    y = x * 1
    y.split(1)[13].add_(5)
    assert y.tolist() == [0] * 13 + [5] + [0] * 6
    for row in y.unbind(0)[:2]:
        row.mul_(0)
    y.sum().backward()
    assert x.grad.tolist() == [0, 0] + [1] * 18


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: tg.cat([]), ValueError, "cat: expected at least one tensor"),
        (lambda x: tg.cat([x, 3]), TypeError, "expected tensors, got int at 1"),
        (lambda x: tg.cat([x, x.T]), ValueError, r"tensor 1 has shape \(3, 2\) but the first"),
        (lambda x: tg.cat([x[0, 0], x[0, 0]]), ValueError, "0-d tensors cannot be concatenated"),
        (lambda x: tg.stack([x, x[0]]), ValueError, r"tensor 1 has shape \(3,\)"),
        (lambda x: tg.hstack([]), ValueError, "hstack: expected at least one tensor"),
        (
            lambda x: tg.vstack([x, x.T]),
            ValueError,
            r"cat: tensor 1 has shape \(3, 2\) but the first",
        ),
        (lambda x: x.split(0), ValueError, "split_size must be positive, got 0"),
        (lambda x: x.split([1, 2]), ValueError, r"\[1, 2\] do not add up to 2"),
        (lambda x: x.chunk(0), ValueError, "chunks must be at least 1, got 0"),
        (lambda x: x.select(0, 2), IndexError, "index 2 is outside dimension 0"),
        (lambda x: x.narrow(1, 2, 2), ValueError, "start 2 and length 2 leave dimension 1"),
        (lambda x: x[0, 0].unbind(), ValueError, "no dimension to take apart"),
        (lambda x: x.repeat(2), ValueError, r"sizes \(2,\) must be >= 0, one for each dimension"),
        (lambda x: x.flip(0, 0), ValueError, "name a dimension twice"),
        (lambda x: x.roll((1, 2)), ValueError, "without dims there is one shift"),
        (lambda x: x.roll((1, 2), 0), ValueError, "2 shifts but 1 dims"),
        (lambda x: tg.meshgrid(x), ValueError, r"expected shapes \(n,\)"),
        (lambda x: tg.meshgrid(x[0], indexing="yx"), ValueError, "'ij' or 'xy', got 'yx'"),
        (lambda x: F.one_hot(x), TypeError, "labels must be ints, got float32"),
        (lambda x: F.one_hot(tg.tensor([3]), 3), IndexError, "label 3 is outside classes 0 to 2"),
        (lambda x: x.repeat_interleave(-1), ValueError, "repeats must be >= 0"),
    ],
)
def test_joining_refuses_what_does_not_fit(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.zeros(2, 3))
