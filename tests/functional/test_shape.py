"""Shapes: what views show, what PyTorch answers, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg

X = np.random.default_rng(1).standard_normal((2, 1, 3, 1))


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "x.reshape(3, -1)",
        "x.view(6)",
        "x.view_as(x.permute(1, 3, 0, 2))",
        "x.squeeze()",
        "x.squeeze(1)",
        "x.squeeze(0)",
        "lib.squeeze(x, (1, -1))",
        "x.unsqueeze(-1)",
        "x.unsqueeze(0)",
        "x.expand(2, 4, -1, 5)",
        "x.expand(7, 2, 4, 3, 1)",
        "x.expand_as(x.expand(2, 2, 3, 2))",
        "lib.broadcast_to(x, (2, 2, 3, 2))",
        "lib.broadcast_tensors(x, x[0, 0, :, 0].reshape(3))",
        "x.swapaxes(0, 2)",
        "lib.movedim(x, 0, 2)",
        "lib.moveaxis(x, (0, 2), (-1, 0))",
        "x[:, 0, :, 0].T",
        "x.mT",
        "x.flatten(1, 2)",
        "x.ravel()",
        "x.unflatten(2, (3, -1))",
    ],
)
def test_shapes_agree_with_torch(agree, code):
    agree(code, x=X)


@given(st.data())
def test_movedim_puts_each_dimension_where_it_was_sent(data):
    ndim = data.draw(st.integers(1, 4))
    count = data.draw(st.integers(1, ndim))
    source = data.draw(st.permutations(range(ndim)))[:count]
    destination = data.draw(st.permutations(range(ndim)))[:count]
    x = np.arange(np.prod(range(2, 2 + ndim))).reshape(range(2, 2 + ndim))
    got = tg.movedim(tg.tensor(x), source, destination)
    np.testing.assert_array_equal(got.numpy(), np.moveaxis(x, source, destination))


def test_shapes_of_nothing_and_of_one_number():
    assert tg.tensor(5.0).unsqueeze(0).shape == (1,)
    assert tg.tensor(5.0).squeeze(0).shape == ()
    assert tg.zeros(0, 3).unsqueeze(1).shape == (0, 1, 3)
    assert tg.zeros(1, 0).expand(4, 0).shape == (4, 0)
    assert tg.tensor(2.0).expand(2, 3).tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: x.reshape(5), ValueError, r"6 elements of shape \(2, 3\) do not fit \(5,\)"),
        (lambda x: x.reshape("5"), TypeError, "reshape: expected ints, got '5'"),
        (lambda x: x.unsqueeze(4), IndexError, "unsqueeze: dim 4 but the tensor has 3"),
        (lambda x: x.squeeze(2), IndexError, "squeeze: dim 2 but the tensor has 2"),
        (lambda x: x.expand(3), ValueError, r"sizes \(3,\) are fewer than the dimensions"),
        (lambda x: x.expand(4, 3), ValueError, r"\(2, 3\) cannot be expanded to \(4, 3\)"),
        (lambda x: x.expand(-1, 2, 3), ValueError, r"cannot be expanded to \(-1, 2, 3\)"),
        (lambda x: tg.broadcast_tensors(x, tg.zeros(2)), ValueError, "do not broadcast"),
        (lambda x: x.movedim(0, (0, 1)), ValueError, "must name as many dimensions"),
        (lambda x: x.transpose(0, 1.5), TypeError, "dim must be an int, got 1.5"),
        (lambda x: x[0].mT, ValueError, "mT: expected at least 2 dimensions"),
        (lambda x: x.unflatten(1, (2, -1)), ValueError, "do not multiply to 3"),
        (lambda x: x.permute(0, 0), ValueError, "must name each of 2 dimensions once"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.zeros(2, 3))
