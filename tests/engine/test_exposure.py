"""Arrays that `numpy` gives out: read-only exactly while a graph holds the memory."""

from __future__ import annotations

import gc
import itertools

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import exposure, memory, watch


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """After each test the engine is back on its fast path and remembers no array."""
    gc.collect()
    before = (watch.reasons, len(memory.shared), len(exposure.waiting))
    yield
    gc.collect()
    assert (watch.reasons, len(memory.shared), len(exposure.waiting)) == before


def squares(x):
    """A graph that holds the memory of x."""
    return (x * x).sum()


@pytest.mark.parametrize("order", list(itertools.permutations(["backward", "tensor", "graph"])))
def test_an_array_taken_from_a_held_tensor_is_released_in_any_order(order):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = squares(x)
    a = x.numpy()
    assert not a.flags.writeable
    for event in order:
        if event == "backward" and y is not None:
            y.backward()
        elif event == "tensor":
            x = None
        else:
            y = None
    tg.tensor(0.0).numpy()  # where the graph was only dropped, the next call notices
    a[0] = 5
    assert a[0] == 5


def test_two_arrays_taken_from_a_held_tensor_are_both_released():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = squares(x)
    a, b = x.numpy(), x.numpy()
    assert [v.flags.writeable for v in (a, b)] == [False, False]
    y.backward()
    assert [v.flags.writeable for v in (a, b)] == [True, True]


def test_an_array_taken_while_two_graphs_hold_the_tensor_waits_for_both():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    first = squares(x)
    a = x.numpy()
    second = squares(x)
    b = x.numpy()
    second.backward()
    assert [v.flags.writeable for v in (a, b)] == [False, False]
    first.backward()
    assert [v.flags.writeable for v in (a, b)] == [True, True]


def test_an_array_taken_early_waits_for_a_view_that_a_later_graph_holds():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    first = squares(x)
    a = x.numpy()
    second = squares(x[:1])
    first.backward()
    assert not a.flags.writeable
    second.backward()
    assert a.flags.writeable
    assert x.grad.tolist() == [4, 4]


@pytest.mark.parametrize(
    "take",
    [
        lambda x: x.detach().numpy(),
        lambda x: x.detach().detach().numpy(),
        lambda x: np.asarray(x.detach()),
        lambda x: x.data.numpy(),
        lambda x: x[1:].numpy(),
        lambda x: x.reshape(2, 1)[1].detach().numpy(),
    ],
    ids=["detach", "twice", "asarray", "data", "part", "parts"],
)
def test_an_array_taken_by_way_of_another_tensor_is_guarded_too(take):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    before = take(x)
    before[-1] = 3
    y = squares(x)
    during = take(x)
    for a in (before, during):
        with pytest.raises(ValueError, match="read-only"):
            a[-1] = 100
    y.backward()
    assert x.grad.tolist() == [2, 6]
    before[-1] = 4
    during[-1] = 5
    assert x.tolist() == [1, 5]


def test_an_array_taken_from_a_detached_result_is_guarded_if_a_gate_saved_it():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    with pytest.raises(ValueError, match="read-only"):
        y.detach().numpy()[0] = 100
    z = x * 2
    a = z.detach().numpy()
    a[0] = 100
    assert z.tolist() == [100, 4]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1, 2]), rtol=1e-6)


def test_an_array_that_dies_while_it_waits_is_forgotten():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = squares(x)
    x.numpy()
    assert not exposure.waiting
    y.backward()


# Held or not


@pytest.mark.parametrize(
    "take",
    [
        lambda x: x.T,
        lambda x: x[1:],
        lambda x: x.detach(),
        lambda x: x.detach().detach(),
        lambda x: x.flatten(),
        lambda x: [x[0], x[1].detach(), x.reshape(3, 2)[:, 1]],
        lambda x: x.numpy(),
        lambda x: x + 1,
    ],
    ids=["T", "slice", "detach", "twice", "flatten", "several", "numpy", "sum"],
)
def test_other_views_of_the_memory_do_not_make_an_array_read_only(take):
    made = (tg.ones(2, 3), tg.tensor(np.ones((2, 3))), tg.zeros(2, 3) + 1)
    for x in (*made, *[x.clone().requires_grad_() for x in made]):
        others = take(x)
        x.numpy()[0, 0] = 5
        assert x.tolist()[0][0] == 5
        for other in others if isinstance(others, list) else [others]:
            assert (other if isinstance(other, np.ndarray) else other.numpy()).flags.writeable


@pytest.mark.parametrize(
    "use",
    [
        lambda x, w: x.detach() * w,
        lambda x, w: x.detach().detach() * w,
        lambda x, w: x[:1] * w,
        lambda x, w: x.reshape(2, 1)[1] * w,
        lambda x, w: x.detach()[1:] * w,
    ],
    ids=["detach", "twice", "part", "parts", "both"],
)
def test_an_array_is_read_only_if_a_gate_holds_the_memory_by_way_of_another_tensor(use):
    for x in (tg.tensor([1.0, 2.0]), tg.ones(2)):
        w, kept = tg.tensor([3.0], requires_grad=True), x.detach()
        y = use(x, w)
        assert not x.numpy().flags.writeable
        assert not kept.numpy().flags.writeable
        y.sum().backward()
        assert x.numpy().flags.writeable
        assert kept.numpy().flags.writeable


def test_an_array_taken_from_a_leaf_is_free_as_soon_as_the_graph_is_dropped():
    for x in (tg.ones(2).requires_grad_(), tg.tensor([1.0, 2.0], requires_grad=True)):
        y = squares(x)
        a, b = x.numpy(), x[1:].numpy()
        assert [v.flags.writeable for v in (a, b)] == [False, False]
        del y
        assert [v.flags.writeable for v in (a, b)] == [True, True]


def test_an_array_taken_from_a_result_hears_of_a_dropped_graph_with_the_next_call():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    u = x + 1
    y = u * u
    a = u.numpy()
    del y
    assert not a.flags.writeable
    assert u.numpy().flags.writeable
    assert a.flags.writeable


def test_what_is_taken_after_the_graph_is_gone_is_writeable_though_an_older_array_lives():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = squares(x)
    older = x.numpy()
    y.backward()
    assert older.flags.writeable
    assert x.numpy().flags.writeable
