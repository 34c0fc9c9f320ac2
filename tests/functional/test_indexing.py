"""Keys, gather and scatter, masks: values, gradients, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from on_device import check_refused

import tinygrad_cv as tg

RNG = np.random.default_rng(4)
X = RNG.standard_normal((4, 3, 2))
MASK = X > 0
ROWS = np.array([3, 0, 3, 1])
SPOTS = RNG.integers(0, 3, (4, 2, 2))


@pytest.mark.torch
@pytest.mark.parametrize(
    "key",
    [
        "1",
        "-1",
        "2, 1, 0",
        "1:3",
        "::2",
        "..., 0",
        "None, ..., 0:1",
        ":, None, 1",
        "[0, 2]",
        "[0, 1], [2, 2]",
        ":, [0, 0, 1]",
        "[1, 0], :, [1, 1]",
        "[[0, 1], [3, 3]],",
        "..., [True, False]",
        "[True, False, True, True], 1",
        "i",
        "i, :, i * 0",
        "i[0]",
        "m",
        "m[:, :, 0]",
    ],
)
def test_keys_agree_with_torch(agree, key):
    agree(f"x[{key}]", x=X, i=ROWS, m=MASK)


@pytest.mark.torch
@pytest.mark.parametrize(
    "code",
    [
        "lib.gather(x, 1, i)",
        "x.gather(-2, i[:2, :, :1])",
        "lib.take_along_dim(x, i, 1)",
        "lib.take_along_dim(x, i[:1], 1)",
        "lib.take_along_dim(x, i.reshape(-1))",
        "lib.take(x, i - 3)",
        "lib.index_select(x, 1, i[0, 0])",
        "x.index_add(1, i[0, 0], y[:, :2], alpha=3)",
        "x.index_copy(1, lib.tensor([2, 0]), y[:, :2])",
        "x.index_fill(1, lib.tensor([2, 0]), 5.0)",
        "x.scatter_add(1, i, y[:, :2])",
        "x.scatter(1, i * 0, 7.0)",
        "x.scatter(2, lib.tensor([[[1, 0]], [[0, 1]]]), y[:2, :1])",
        "lib.masked_select(x, m[:, :1])",
    ],
)
def test_gather_and_scatter_agree_with_torch(agree, code):
    agree(code, x=X, y=RNG.standard_normal(X.shape), i=SPOTS, m=MASK)


@pytest.mark.torch
def test_nonzero_agrees_with_torch(agree):
    agree("lib.nonzero(m)", m=MASK)
    agree("lib.nonzero(m, as_tuple=True)", m=MASK)


@given(st.data())
def test_index_gradient_counts_every_taking(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    key = data.draw(
        st.one_of(
            hnp.basic_indices(shape, allow_newaxis=True),
            hnp.integer_array_indices(shape),
            hnp.arrays(bool, shape),
        )
    )
    x = tg.tensor(RNG.standard_normal(shape), requires_grad=True)
    y = x[key]
    np.testing.assert_array_equal(y.detach().numpy(), x.detach().numpy()[key])
    upstream = RNG.standard_normal(y.shape)
    y.backward(tg.tensor(upstream))
    want = np.zeros(shape)
    np.add.at(want, key, upstream)
    np.testing.assert_allclose(x.grad.numpy(), want, rtol=1e-12, atol=1e-12)


def test_a_row_counts_as_often_as_it_is_named():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[0, 0, 2]].backward(tg.tensor([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [11.0, 0.0, 100.0]


def test_basic_keys_give_views_even_of_one_element():
    x = tg.zeros(2, 3)
    assert np.shares_memory(x[0, 1].array, x.array)
    assert np.shares_memory(x[..., ::-1].array, x.array)
    assert x[..., ::-1].shape == (2, 3)


def test_a_key_that_is_changed_later_does_not_change_the_gradient():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    rows = tg.tensor([0])
    y = x[rows]
    rows.array[0] = 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_scatter_gives_the_gradient_to_the_value_that_stayed():
    x = tg.zeros(3, requires_grad=True)
    src = tg.tensor([1.0, 2.0, 4.0], requires_grad=True)
    y = x.scatter(0, tg.tensor([1, 1, 0]), src)
    assert y.tolist() == [4.0, 2.0, 0.0]
    y.backward(tg.tensor([1.0, 10.0, 100.0]))
    assert src.grad.tolist() == [0.0, 10.0, 1.0]
    assert x.grad.tolist() == [0.0, 0.0, 100.0]


def test_scatter_combines_when_asked():
    x, index = tg.tensor([1.0, 2.0, 3.0]), tg.tensor([2, 0])
    assert x.scatter(0, index, tg.tensor([5.0, 7.0]), reduce="add").tolist() == [8.0, 2.0, 8.0]
    assert x.scatter(0, index, 2.0, reduce="multiply").tolist() == [2.0, 2.0, 6.0]


def test_gather_of_nothing_is_nothing():
    x = tg.zeros(3, 2, requires_grad=True)
    y = x.gather(0, tg.zeros(0, 2, dtype="int64"))
    assert y.shape == (0, 2)
    y.sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: x[2], IndexError, r"index: .*2 is out of bounds.*shape \(2, 3\)"),
        (lambda x: x[0, 0, 0], IndexError, "index: too many indices"),
        (lambda x: x[[0, 5]], IndexError, "5 is out of bounds"),
        (lambda x: x[[0.5]], IndexError, "must hold ints or bools, got float64"),
        (lambda x: x[tg.zeros(2, 2, dtype="bool")], IndexError, "index: boolean index"),
        (lambda x: x.gather(0, tg.tensor([[2]])), IndexError, "index 2 is outside dimension 0"),
        (lambda x: x.gather(0, tg.tensor([[-1]])), IndexError, "index -1 is outside dimension 0"),
        (lambda x: x.gather(0, tg.tensor([0])), ValueError, "as many dimensions are needed"),
        (lambda x: x.gather(0, x), TypeError, "index must hold ints, got float32"),
        (lambda x: x.gather(0, tg.zeros(1, 4, dtype="int64")), ValueError, "must not be longer"),
        (
            lambda x: x.index_select(0, tg.tensor([2])),
            IndexError,
            "outside dimension 0 of length 2",
        ),
        (lambda x: x.index_select(0, tg.tensor([[1]])), ValueError, r"must have shape \(n,\)"),
        (lambda x: x.index_add(0, tg.tensor([1]), x), ValueError, r"expect \(1, 3\)"),
        (lambda x: x.index_add(0, tg.tensor([1]), x[:1].double()), TypeError, "source is float64"),
        (lambda x: x.scatter(0, tg.tensor([[0]]), x.double()), TypeError, "src is float64"),
        (lambda x: x.scatter(0, tg.tensor([[0]]), x, reduce="max"), ValueError, "got 'max'"),
        (lambda x: x.masked_select(x), TypeError, "mask must be bool, got float32"),
        (lambda x: x.masked_select(tg.zeros(2, dtype="bool")), ValueError, "does not broadcast"),
        (lambda x: tg.take(x, tg.tensor([6])), IndexError, "index 6 but input has 6 elements"),
    ],
)
def test_indexing_refuses_what_is_not_there(call, error, match):
    check_refused(lambda: call(tg.zeros(2, 3)), error, match)
