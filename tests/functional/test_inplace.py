"""Writes in place: values, graphs, views, and what is refused."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg

RNG = np.random.default_rng(6)
X, W = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))
M = X > 0

PROGRAMS = [
    "out = x * 2\nout += w",
    "out = x * 2\nout -= 3\nout *= w\nout /= 4",
    "out = x * w\nout **= 2",
    "out = x * 1\nout.add_(w).mul_(w[0]).sub_(1.5)",
    "out = x * 1\nout[1] = w[0]",
    "out = x * 1\nout[1] = 7.0",
    "out = x * 1\nout[:, 1:3] = w[:, :2] * x[:, :2]",
    "out = x * 1\nout[m] = w[m]",
    "out = x * 1\nout[[2, 0]] = w[:2]",
    "out = x * 1\nout[0] = w[1:2]",
    "out = x * 1\nout[1] += w[1]",
    "out = x * 1\nout[[0, 2]] *= w[1]",
    "out = lib.zeros(3, 4, dtype=lib.float64)\nout[0] = x[1]\nout[2] = w[0] * x[0]",
    "out = x * 1\nout.copy_(w)",
    "out = x * 1\nout.copy_(w[0])",
    "out = x * 1\nout.zero_()",
    "out = x * 1\nout.fill_(2.0)",
    "out = x * 1\nout.neg_()",
    # through views
    "y = x * 2\ny[1:].mul_(3)\nout = y * y",
    "y = x * 2\nv = y[0]\nv += w[0]\nout = (y, v, v * y)",
    "y = x * 2\nv = y.T\nu = y.reshape(-1)\nv[0] = w[:, 1]\nout = (y * u.reshape(3, 4), v)",
    "y = x * 2\nv = y[1:]\nu = v[:, 2]\nu *= w[1:, 0]\nout = (y, v, u)",
    "y = x * 2\nv = y[1:]\ny += w\nout = v * v",
    "y = x * 2\nv = y[1:]\ny[2, 3] = w[0, 0]\nv[0] = w[2]\nout = (v, y)",
    "y = lib.zeros(3, 4, dtype=lib.float64)\nv = y[1]\nv.copy_(x[0])\nout = y * w",
    "y = x * 1\nz = y * y.detach()\ny.view(-1)[3] = 5.0\nout = y * w",
    "y = x * 2\ny.unsqueeze(0)[0, 1].zero_()\nout = y",
    "y = (x * 2).T\ny[1:].add_(w.T[1:])\nout = y.reshape(-1)",
]


@pytest.mark.torch
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_agree_with_torch(agree, program):
    agree(program, x=X, w=W, m=M)


@given(st.data())
def test_a_write_through_a_view_is_a_write_to_the_base(data):
    x = tg.tensor(X, requires_grad=True)
    w = tg.tensor(W, requires_grad=True)
    rows = data.draw(st.slices(3))
    columns = data.draw(st.slices(4))
    y = x * 1
    view = y[rows][:, columns]
    view.copy_(w[rows][:, columns])
    want = X.copy()
    want[rows][:, columns] = W[rows][:, columns]
    np.testing.assert_array_equal(y.detach().numpy(), want)
    upstream = RNG.standard_normal(X.shape)
    y.backward(tg.tensor(upstream))
    written = np.zeros(X.shape, bool)
    written[rows][:, columns] = True
    np.testing.assert_array_equal(x.grad.numpy(), np.where(written, 0, upstream))
    np.testing.assert_array_equal(w.grad.numpy(), np.where(written, upstream, 0))


def test_a_tensor_may_multiply_itself():
    x = tg.tensor([2.0, 3.0], requires_grad=True)
    y = x * 1
    y *= y
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]


def test_memory_stays_where_it_is():
    x = tg.zeros(3)
    array = x.array
    x += 1
    x *= tg.tensor([1.0, 2.0, 3.0])
    x[0] = 9
    assert x.array is array
    assert x.tolist() == [9.0, 2.0, 3.0]


def test_a_leaf_may_be_written_inside_no_grad_alone():
    w = tg.ones(2, requires_grad=True)
    for write in (
        lambda: w.add_(1),
        lambda: w.__setitem__(0, 1.0),
        lambda: w[:1].zero_(),
        lambda: w.__isub__(1),
    ):
        with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
            write()
    with tg.no_grad():
        w -= 0.5
        w[0] = 3.0
    assert w.tolist() == [3.0, 0.5]
    assert w.is_leaf
    assert w.requires_grad


def test_backward_through_a_value_that_was_written_says_which():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    z = y * y
    y += 1
    with pytest.raises(RuntimeError, match=r"Mul saved its input 0, of shape \(2,\)"):
        z.sum().backward()


def test_a_write_through_a_view_is_seen_by_the_check():
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 2
    z = y * y
    y[0].zero_()
    with pytest.raises(RuntimeError, match="Mul saved its input 0"):
        z.sum().backward()


def test_a_write_inside_no_grad_leaves_the_graph():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    with tg.no_grad():
        y += 5
    assert y.tolist() == [7.0, 7.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_views_made_without_a_graph_cannot_bring_one():
    w = tg.ones(2, requires_grad=True)
    base = tg.zeros(3, 2)
    with tg.no_grad():
        view = base[1]
    with pytest.raises(RuntimeError, match="a view made inside no_grad"):
        view.copy_(w)
    view.copy_(tg.ones(2))  # no graph, no harm
    assert base[1].tolist() == [1.0, 1.0]


def test_retained_gradients_are_those_after_the_write():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y *= 3
    (y * tg.tensor([1.0, 10.0])).sum().backward()
    assert y.grad.tolist() == [1.0, 10.0]
    assert x.grad.tolist() == [6.0, 60.0]


def test_rows_may_be_written_in_a_loop():
    x, w = tg.tensor(X, requires_grad=True), tg.tensor(W, requires_grad=True)
    y = x * 2
    for row in y:
        row += w[0]
    y.backward(tg.tensor(X))
    np.testing.assert_allclose(y.detach().numpy(), X * 2 + W[0])
    np.testing.assert_allclose(x.grad.numpy(), X * 2)
    np.testing.assert_allclose(w.grad.numpy(), np.stack([X.sum(0), X[0] * 0, X[0] * 0]))


def test_one_number_and_its_view():
    x = tg.tensor(2.0, requires_grad=True)
    y = x * 3
    y.reshape(1)[0] += x
    assert y.item() == 8.0
    y.backward()
    assert x.grad.item() == 4.0


def test_views_do_not_keep_each_other():
    base = tg.zeros(4)
    view = weakref.ref(base[1:])
    gc.collect()
    assert view() is None
    base += 1
    assert not base.family


def test_random_writes_follow_the_generator():
    a, b = tg.empty(1000), tg.empty(1000)
    a.normal_(3.0, 0.5, generator=tg.Generator(1))
    b.normal_(3.0, 0.5, generator=tg.Generator(1))
    assert a.tolist() == b.tolist()
    assert abs(a.mean().item() - 3.0) < 0.1
    a.uniform_(-2, -1, generator=tg.Generator(2))
    assert -2 <= a.array.min() <= a.array.max() < -1
    a.bernoulli_(0.25, generator=tg.Generator(3))
    assert set(a.tolist()) == {0.0, 1.0}
    assert 0.15 < a.mean().item() < 0.35


def test_masked_scatter_writes_in_order():
    x = tg.zeros(4)
    x.masked_scatter_(tg.tensor([True, False, True, True]), tg.tensor([1.0, 2.0, 3.0, 4.0]))
    assert x.tolist() == [1.0, 0.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("write", "error", "match"),
    [
        (lambda x: x.long().add_(1.5), TypeError, "result is float32, which does not fit.*int64"),
        (lambda x: x.add_(tg.zeros(4, 2, 3)), ValueError, r"shape \(4, 2, 3\), which does not fit"),
        (lambda x: x.__iadd__(tg.zeros(2, 2)), ValueError, "shape"),
        (lambda x: x.__setitem__(5, 0.0), IndexError, r"5 is out of bounds.*shape \(2, 3\)"),
        (lambda x: x.__setitem__(0, tg.zeros(2)), ValueError, "could not broadcast"),
        (lambda x: x[:1].expand(2, 3).zero_(), RuntimeError, "one element several times"),
        (lambda x: x.fill_(tg.zeros(2)), ValueError, "must be one number"),
        (lambda x: x.normal_(0, -1), ValueError, "std must be >= 0, got -1"),
        (lambda x: x.long().uniform_(), TypeError, "expected floats, got int64"),
        (lambda x: x.uniform_(1, 0), ValueError, "no number lies from 1 up to 0"),
        (lambda x: x.bernoulli_(2), ValueError, r"p must be in \[0, 1\], got 2"),
        (
            lambda x: x.masked_scatter_(tg.tensor([True] * 3), tg.zeros(2)),
            ValueError,
            "6 places but source has 2 numbers",
        ),
        (
            lambda x: (x * tg.ones(3, requires_grad=True)).__setitem__(0, tg.zeros(2)),
            ValueError,
            r"value of shape \(2,\) does not fit a place of \(3,\)",
        ),
    ],
)
def test_writes_that_do_not_fit_are_refused(write, error, match):
    with pytest.raises(error, match=match):
        write(tg.zeros(2, 3))
