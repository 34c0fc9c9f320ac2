"""Rows of docs/conventions.md: Numbers: dtypes, NumPy, broadcasting."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.testing import gradcheck


def test_python_number_beside_a_tensor(lib):
    assert (lib.ones(2, dtype=lib.float32) * 1.5).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.int64) * 1.5).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.uint8) + 1).dtype == lib.uint8
    assert (lib.tensor([True]) + 1).dtype == lib.int64


def test_integers_beside_floats(lib):
    ints, floats = lib.ones(2, dtype=lib.int64), lib.ones(2, dtype=lib.float32)
    assert (ints * floats).dtype == lib.float32
    assert lib.where(lib.tensor([True, False]), ints, floats).dtype == lib.float32


def test_tensor_of_one_number_beside_a_tensor(lib):
    one = lib.tensor(1.0, dtype=lib.float64)
    assert (lib.ones(2, dtype=lib.float32) * one).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.int64) * one).dtype == lib.float64


def test_division_of_integers(lib):
    a, b = lib.tensor([-7]), lib.tensor([2])
    assert (a / b).dtype == lib.float32
    assert [(a / b).item(), (a // b).item(), (a % b).item()] == [-3.5, -4, 1]


def test_sum_of_integers(lib):
    assert lib.ones(300, dtype=lib.uint8).sum().item() == 300
    assert lib.tensor([True, True]).sum().dtype == lib.int64


def test_mean_of_integers(lib):
    with pytest.raises(TypeError, match="mean: expected floats, got int64"):
        lib.tensor([1, 2]).mean()


def test_function_of_integers(lib):
    assert lib.tensor([0, 1]).exp().dtype == lib.float32
    assert lib.tensor([4]).sqrt().dtype == lib.float32


def test_write_in_place_of_another_dtype(lib):
    x = lib.ones(2, dtype=lib.float32)
    x += lib.ones(2, dtype=lib.float64)
    assert x.dtype == lib.float32
    x[0] = lib.tensor(7)
    assert x.tolist() == [7, 2]


def test_floats_written_in_place_over_integers(lib):
    with pytest.raises(TypeError, match="float32, which does not fit the tensor's int64"):
        lib.tensor([1, 2]).add_(0.5)


def test_numbers_made_a_tensor(lib):
    assert lib.tensor([1.0]).dtype == lib.float32
    assert lib.tensor([1]).dtype == lib.int64
    assert lib.tensor(np.ones(2)).dtype == lib.float64


def test_numpy_number_beside_a_tensor(lib):
    assert (lib.ones(2, dtype=lib.float32) * np.float64(2)).dtype == lib.float32


def test_numpy_array_times_tensor(lib):
    x = lib.ones(2, requires_grad=True)
    a = np.array([1, 2], np.float32)
    (a * x).sum().backward()
    (x * a).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_numpy_function_of_a_tensor(lib):
    x = lib.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = np.sum(np.where(np.array([True, False]), np.square(x), 0.0), axis=1)
    assert y.tolist() == [1, 9]
    np.mean(y).backward()
    assert x.grad.tolist() == [[1, 0], [3, 0]]


def test_axis_and_keepdims_as_keywords(lib):
    x = lib.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.sum(axis=0, keepdims=True).tolist() == [[4, 6]]
    assert x.max(axis=1).indices.tolist() == [1, 1]


def test_numpy_function_that_cannot_be_recorded(lib):
    x = lib.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.arcsinh is not recorded"):
        np.arcsinh(x)
    with pytest.raises(TypeError, match="NumPy cannot record"):
        np.cov(x)


def test_gradient_of_what_was_broadcast(lib, gradient):
    g = lib.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    assert gradient(lambda x, y: x * y * g, [[1], [2]], [1, 1, 1]) == [
        [[7], [56]],
        [17, 34, 68],
    ]
    assert gradient(lambda x: (x + g).sum(), 5) == 6


def test_rounding_of_halves(lib):
    assert lib.tensor([0.5, 1.5, 2.5]).round().tolist() == [0, 2, 2]


def test_median_of_an_even_number(lib):
    assert lib.tensor([4.0, 1.0, 3.0, 2.0]).median().item() == 2


def test_gradcheck_of_float32(lib):
    x = lib.tensor([0.3, 4.0], requires_grad=True)
    assert gradcheck(lambda x: x.exp() * x, (x,), rtol=1e-6)
    assert x.dtype == lib.float32


def test_product_of_integer_matrices(lib):
    x = lib.tensor([[1, 2], [3, 4]])
    assert (x @ x).tolist() == [[7, 10], [15, 22]]
    assert (x @ x).dtype == lib.int64
    assert lib.mm(x.to(lib.int32), x.to(lib.int32)).dtype == lib.int32


def test_bools_in_arithmetic(lib):
    x = lib.tensor([True, False])
    assert (1 - x).tolist() == [0, 1]
    assert (lib.tensor([3, 4]) - x).tolist() == [2, 4]
    assert lib.softmax(x, 0).dtype == lib.float32


@pytest.mark.parametrize("cast", ["x.long()", "x.bool()", "x.to(lib.int32)", "x.type(lib.uint8)"])
def test_floats_made_integers(lib, cast):
    x = lib.tensor([1.5, 0.0], requires_grad=True)
    whole = eval(cast, {"lib": lib, "x": x})
    assert not whole.requires_grad
    (x * whole.float()).sum().backward()
    assert x.grad.tolist() == [1, 0]
    table = lib.zeros(2, dtype=lib.int64)
    table.copy_(x)
    assert (table.tolist(), table.requires_grad) == ([1, 0], False)


def test_denormal_numbers(lib):
    tiny, ones = lib.full((200, 200), 1e-40), lib.ones(200, 200)
    products = (tiny @ ones).numpy()
    assert (products == products[0, 0]).all()
    assert products[0, 0] in (0, np.float32(tiny.numpy()[0].sum()))
    assert (np.full(16, 1e-40, np.float32) * np.float32(1)).all()
