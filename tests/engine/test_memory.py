"""Memory: sharing with NumPy, the read-only guard and its end, and writes in place."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import memory

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def squares(x):
    """A graph that holds the memory of x."""
    return (x * x).sum()


# Copies and sharing


def test_tensor_copies():
    a = np.zeros(3)
    t = tg.tensor(a)
    a[0] = 5
    assert t.tolist() == [0, 0, 0]
    assert tg.Tensor(t).array is not t.array


def test_from_numpy_shares_memory_whatever_the_strides():
    a = np.arange(12.0).reshape(3, 4)
    t = tg.from_numpy(a[::-1, ::2].T)
    a[2, 0] = 100
    assert t.tolist() == [[100, 4, 0], [10, 6, 2]]


def test_numpy_shares_memory():
    t = tg.tensor([1.0, 2.0])
    a = t.numpy()
    a[0] = 5
    assert t.tolist() == [5, 2]


def test_from_numpy_refuses_what_is_no_array_of_numbers():
    with pytest.raises(TypeError, match=r"from_numpy: expected a numpy.ndarray, got list"):
        tg.from_numpy([1.0])
    with pytest.raises(TypeError, match="from_numpy: expected numbers, got dtype complex128"):
        tg.from_numpy(np.zeros(2, complex))


def test_the_other_byte_order_is_copied_by_tensor_and_refused_by_from_numpy():
    swapped = np.array([1.0, 2.0]).astype(np.dtype("float64").newbyteorder("S"))
    t = tg.tensor(swapped)
    assert t.dtype == np.float64
    assert t.dtype.isnative
    assert t.tolist() == [1, 2]
    with pytest.raises(TypeError, match="another byte order than this machine"):
        tg.from_numpy(swapped)


# The guard


def test_a_shared_array_is_read_only_while_a_graph_holds_it():
    a = np.ones(3)
    x = tg.from_numpy(a).requires_grad_()
    y = squares(x)
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    y.backward()
    a[0] = 5
    assert x.grad.tolist() == [2, 2, 2]


def test_a_constant_operand_is_guarded_too():
    a, x = np.full(3, 2.0), tg.tensor(np.ones(3), requires_grad=True)
    y = (tg.from_numpy(a) * x).sum()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    y.backward()
    a[0] = 5
    assert x.grad.tolist() == [2, 2, 2]


def test_an_array_as_operand_is_guarded_as_well():
    a, x = np.full(3, 2.0), tg.tensor(np.ones(3), requires_grad=True)
    for y in (x * a, a * x, x / a, tg.mul(x, a)):
        with pytest.raises(ValueError, match="read-only"):
            a[0] = 5
        y.sum().backward()
    a[0] = 5
    assert x.grad.tolist() == [2 + 2 + 0.5 + 2] * 3


def test_an_array_as_operand_of_matmul_is_guarded():
    a, x = np.ones((2, 2)), tg.tensor(np.eye(2), requires_grad=True)
    y = (x @ a).sum()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    y.backward()
    a[0] = 5
    assert x.grad.tolist() == [[2, 2], [2, 2]]


def test_an_array_that_a_kernel_made_is_guarded_and_released():
    """Its memory is the pool's: NumPy itself does not make such an array writeable again."""
    a = tg.functional.relu(tg.tensor([1.0, 2.0])).numpy()
    x = tg.from_numpy(a).requires_grad_()
    y = squares(x)
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    y.backward()
    a[0] = 5
    assert x.tolist() == [5, 2]


def test_what_no_gate_saved_is_not_guarded():
    a, x = np.ones(3), tg.tensor(np.ones(3), requires_grad=True)
    y = x + tg.from_numpy(a)
    a[0] = 5
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_an_array_that_was_read_only_stays_so():
    a = np.ones(3)
    a.flags.writeable = False
    x = tg.from_numpy(a).requires_grad_()
    squares(x).backward()
    assert not a.flags.writeable
    assert not x.numpy().flags.writeable


def test_views_and_their_owner_are_locked_and_released_together():
    a = np.ones(4)
    x, part = tg.from_numpy(a).requires_grad_(), tg.from_numpy(a[1:])
    b = part.numpy()
    y = squares(x)
    assert [v.flags.writeable for v in (a, b)] == [False, False]
    del y
    assert [v.flags.writeable for v in (a, b)] == [True, True]


def test_two_graphs_hold_the_same_memory():
    a = np.ones(3)
    x = tg.from_numpy(a).requires_grad_()
    first, second = squares(x), squares(x)
    first.backward()
    assert not a.flags.writeable
    second.backward()
    assert a.flags.writeable


def test_a_retained_graph_keeps_its_hold():
    a = np.ones(3)
    x = tg.from_numpy(a).requires_grad_()
    y = squares(x)
    y.backward(retain_graph=True)
    assert not a.flags.writeable
    y.backward()
    assert a.flags.writeable


def test_a_graph_made_under_no_grad_holds_nothing():
    a = np.ones(3)
    x = tg.from_numpy(a).requires_grad_()
    with tg.no_grad():
        y = squares(x)
    a[0] = 2
    assert y.item() == 3


# Writes in place, as `functional` reports them


def write(tensor, value):
    tensor.array[...] = value
    memory.wrote(tensor.array)


def test_a_saved_input_that_was_changed_is_an_error():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = squares(x)
    write(x, 7)
    with pytest.raises(
        RuntimeError, match=r"Mul saved its input 0, of shape \(2,\), a leaf, and it was"
    ):
        y.backward()


def test_a_saved_output_that_was_changed_is_an_error():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    write(y, 7)
    with pytest.raises(RuntimeError, match="Exp saved its output, of shape"):
        tg.grad(y.sum(), x)


def test_the_error_tells_the_tensor_and_under_anomaly_detection_the_line():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    with tg.detect_anomaly():
        product = x * y
    write(y, 7)
    seq, stamp = product.gate.seq, memory.last_write
    with pytest.raises(
        RuntimeError,
        match=rf"Mul saved its input 1, of shape \(2,\), the result of Exp, .* afterwards "
        rf"\(the gate is number {seq}, the write {stamp}\); .*; the gate was made at "
        r".*test_memory\.py:\d+ in test_the_error_tells",
    ):
        product.sum().backward()
    constant = tg.tensor([3.0, 4.0])
    product = x * constant
    write(constant, 7)
    with pytest.raises(RuntimeError, match=r"its input 1, .*, a tensor without gradient"):
        product.sum().backward()


def test_a_write_through_a_view_is_a_write():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = squares(x)
    write(x.detach()[1:], 7)
    with pytest.raises(RuntimeError, match="Mul saved its input 0"):
        y.backward()


def test_writes_that_falsify_nothing_are_allowed():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    write(x, 3)  # before the graph
    y = squares(x) + (x + 1).sum()
    other = tg.tensor([1.0])
    write(other, 7)  # of another tensor
    y.backward()
    assert x.grad.tolist() == [7, 7]
    added = x + 1
    total = added.sum()
    write(added, 0)  # which no gate saved
    total.backward()
    assert x.grad.tolist() == [8, 8]


def test_a_write_between_two_backward_passes_is_seen_by_the_second():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = squares(x)
    y.backward(retain_graph=True)
    write(x, 7)
    with pytest.raises(RuntimeError, match="changed in place afterwards"):
        y.backward()


def test_adding_to_a_gradient_counts_as_a_write_to_it():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    squares(x).backward()
    w = tg.tensor([1.0, 1.0], requires_grad=True)
    y = (w * x.grad).sum()
    squares(x).backward()
    with pytest.raises(RuntimeError, match="Mul saved its input 1"):
        y.backward()
