"""Tensors: making them, everyday methods, Python's and NumPy's protocols, and what they refuse."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import Tensor


def leaf(*values):
    return tg.tensor(list(values), requires_grad=True)


# Making


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (1.5, "float32", 1.5),
        (2, "int64", 2),
        (True, "bool", True),
        ([1, 2.5], "float32", [1.0, 2.5]),
        ([[1, 2], [3, 4]], "int64", [[1, 2], [3, 4]]),
        ([], "float32", []),
        (np.float64(1.5), "float64", 1.5),
        (np.zeros(2), "float64", [0, 0]),
        (np.arange(3, dtype="uint8"), "uint8", [0, 1, 2]),
        (np.arange(4.0)[::-2], "float64", [3, 1]),
        (Tensor([1.0, 2.0]), "float32", [1, 2]),
        ([Tensor(1.0), Tensor(2.0)], "float32", [1, 2]),
        ([[Tensor(1), 2], (3, Tensor(4))], "int64", [[1, 2], [3, 4]]),
        (range(3), "int64", [0, 1, 2]),
    ],
    ids=str,
)
def test_tensor_of(data, dtype, values):
    t = tg.tensor(data)
    assert t.dtype == dtype
    assert t.tolist() == values
    assert t.is_contiguous()
    assert t.is_leaf
    assert not t.requires_grad
    assert Tensor(data).tolist() == values


def test_tensor_takes_dtype_device_and_requires_grad():
    t = tg.tensor([1, 2], dtype=tg.float64, device="cpu", requires_grad=True)
    assert t.dtype == np.float64
    assert t.requires_grad
    assert tg.tensor([1.7], dtype="int64").tolist() == [1]
    assert tg.tensor([1.1], dtype="float64").item() == 1.1  # not by way of float32


@pytest.mark.parametrize("data", ["text", None, 1j, [object()], ["a"]])
def test_what_is_no_number_is_refused(data):
    with pytest.raises(
        TypeError, match=r"tensor: expected numbers, got (str|NoneType|complex|list)"
    ):
        tg.tensor(data)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="inhomogeneous"):
        tg.tensor([[1, 2], [3]])


def test_only_floats_have_gradients():
    with pytest.raises(TypeError, match="only float tensors have gradients, got int64"):
        tg.tensor([1], requires_grad=True)
    with pytest.raises(TypeError, match="got bool"):
        tg.tensor([True]).requires_grad_()


def test_requires_grad_is_switched_on_leaves_only():
    x = tg.tensor([1.0])
    assert x.requires_grad_() is x
    x.requires_grad = False
    assert not x.requires_grad
    x.requires_grad = True
    y = x * 2
    assert y.requires_grad_() is y
    with pytest.raises(RuntimeError, match=r"made by Mul; use detach\(\)"):
        y.requires_grad_(False)


# Everyday methods


def test_size_and_kind():
    t = tg.tensor(np.zeros((2, 3), "float32"))
    assert (t.shape, t.size(), t.size(1), t.size(-1)) == ((2, 3), (2, 3), 3, 3)
    assert (t.ndim, t.dim(), t.numel(), t.element_size()) == (2, 2, 6, 4)
    assert t.is_floating_point()
    assert not tg.tensor([1]).is_floating_point()
    assert t.device.type == tg.get_default_device().type


def test_detach_shares_memory_and_not_the_graph():
    x = leaf(1.0, 2.0)
    d = (x * 2).detach()
    assert d.gate is None
    e = x.detach()
    e.array[0] = 5
    assert x.tolist() == [5, 2]
    assert x.data.tolist() == [5, 2]
    assert not x.data.requires_grad


def test_item_tolist_and_numbers():
    assert tg.tensor([[2.5]]).item() == 2.5
    assert isinstance(tg.tensor(3).item(), int)
    assert (float(tg.tensor(2.5)), int(tg.tensor(2.5)), bool(tg.tensor([0.0]))) == (2.5, 2, False)
    assert [10, 20, 30][tg.tensor(1)] == 20
    assert tg.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match=r"item: only a tensor of one .* got shape \(2,\)"):
        tg.tensor([1, 2]).item()
    with pytest.raises(
        TypeError, match="only an integer tensor of one element is an index, got fl"
    ):
        [1, 2][tg.tensor(1.0)]


def test_truth_of_several_elements_is_refused():
    with pytest.raises(RuntimeError, match=r"truth of a tensor of shape \(2,\) is ambiguous"):
        bool(tg.tensor([1, 2]))


def test_length_and_iteration():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2
    rows = list(x)
    assert [row.tolist() for row in rows] == [[1, 2], [3, 4]]
    (rows[0] * rows[1]).sum().backward()
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(tg.tensor(1))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        list(tg.tensor(1))


def test_membership():
    t = tg.tensor([1, 2, 3])
    assert 2 in t
    assert 5 not in t
    assert tg.tensor(3) in t


def test_tensors_are_hashed_by_identity():
    a, b = tg.tensor([1.0]), tg.tensor([1.0])
    assert len({a, b, a}) == 2


def test_formatting():
    assert f"{tg.tensor(1.23456):.2f}" == "1.23"
    assert f"{tg.tensor(3):>4}" == "   3"
    assert f"{tg.tensor([1.5])}" == repr(tg.tensor([1.5]))


# Copies


def test_deepcopy_of_a_leaf():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    twin, again = copy.deepcopy([x, x])
    assert twin is again
    assert twin.tolist() == [1, 2]
    assert twin.grad.tolist() == [2, 4]
    assert twin.requires_grad
    twin.array[0] = 9
    twin.grad.array[0] = 9
    assert x.tolist() == [1, 2]
    assert x.grad.tolist() == [2, 4]
    (twin * 3).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_pickle_of_a_leaf():
    x = leaf(1.0, 2.0)
    twin = pickle.loads(pickle.dumps(x))
    assert twin.tolist() == [1, 2]
    assert twin.requires_grad
    assert twin.dtype == np.float32
    (twin * 3).sum().backward()
    assert twin.grad.tolist() == [3, 3]
    assert not pickle.loads(pickle.dumps(tg.tensor([1]))).requires_grad


def test_results_of_gates_are_neither_copied_deeply_nor_pickled():
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"deepcopy: only leaf tensors .* detach\(\) or clone"):
        copy.deepcopy(y)
    with pytest.raises(RuntimeError, match=r"pickle: only leaf tensors can be pickled; use detach"):
        pickle.dumps(y)


# NumPy


def test_numpy_reads_a_tensor_without_gradient():
    t = tg.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(t), t.array)
    assert not np.shares_memory(np.array(t), t.array)
    assert np.asarray(t, dtype="float64").dtype == np.float64
    assert np.mean(np.asarray(t)) == 1.5


def test_numpy_does_not_drop_the_graph_in_silence():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match="NumPy cannot record this operation: the tensor requires"):
        np.asarray(x)
    with pytest.raises(TypeError, match="NumPy cannot record"):
        np.median(x)


@pytest.mark.parametrize(
    ("ufunc", "derivative"),
    [
        (np.exp, np.exp),
        (np.log, lambda x: 1 / x),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (np.negative, lambda x: -np.ones_like(x)),
    ],
)
def test_ufuncs_of_one_tensor_are_recorded(ufunc, derivative):
    values = np.array([0.5, 2.0])
    x = tg.tensor(values, requires_grad=True)
    y = ufunc(x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.detach().numpy(), ufunc(values))
    (dx,) = tg.grad(y.sum(), x)
    np.testing.assert_allclose(dx.numpy(), derivative(values))


@pytest.mark.parametrize(
    ("ufunc", "da", "db"),
    [
        (np.add, 1, 1),
        (np.subtract, 1, -1),
        (np.multiply, 5, 3),
        (np.divide, 1 / 5, -3 / 25),
        (np.power, 5 * 3**4, 3**5 * np.log(3)),
    ],
)
def test_ufuncs_of_arrays_and_tensors_are_recorded_from_both_sides(ufunc, da, db):
    a, b = np.array([3.0]), np.array([5.0])
    for x, y, wanted, want in [(Tensor(a), b, 0, da), (a, Tensor(b), 1, db)]:
        operand = (x, y)[wanted].requires_grad_()
        (got,) = tg.grad(ufunc(x, y).sum(), operand)
        assert got.item() == pytest.approx(want)


def test_matmul_of_arrays_and_tensors():
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    x = Tensor(a).requires_grad_()
    y = Tensor(b).requires_grad_()
    assert tg.grad((x @ b).sum(), x)[0].tolist() == [[3, 4]]
    assert tg.grad((a @ y).sum(), y)[0].tolist() == [[1], [2]]
    assert (np.matmul(a, y)).item() == 11


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.arctan(x),
        lambda x: np.add.reduce(x),
        lambda x: np.add(x, 1, out=np.zeros(2, "float32")),
        lambda x: np.exp(x, where=np.array([True, False])),
        lambda x: np.multiply.outer(x, x),
    ],
    ids=["unknown", "reduce", "out", "where", "outer"],
)
def test_ufuncs_that_cannot_be_recorded_are_refused(call):
    with pytest.raises(TypeError, match=r"is not recorded for tensors .* use tinygrad_cv's own"):
        call(leaf(1.0, 2.0))


def test_an_array_changed_in_place_by_a_tensor_is_refused():
    a = np.ones(2, "float32")
    with pytest.raises(TypeError, match=r"np.add is not recorded|cannot"):
        a += leaf(1.0, 2.0)
    assert a.tolist() == [1, 1]


def test_dlpack():
    t = tg.tensor([1.0, 2.0])
    assert np.from_dlpack(t).tolist() == [1, 2]
    assert np.shares_memory(np.from_dlpack(t), t.array)
    with pytest.raises(BufferError, match="__dlpack__: the tensor requires a gradient"):
        np.from_dlpack(leaf(1.0))
