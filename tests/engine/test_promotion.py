"""dtypes of results: a table written by hand, PyTorch where it is installed, and NumPy's operands."""

from __future__ import annotations

import itertools
import operator

import numpy as np
import pytest

import tinygrad_cv as tg

B, U8, I32, I64, F16, F32, F64 = "bool", "uint8", "int32", "int64", "float16", "float32", "float64"

# PyTorch 2: kinds first (bool < int < float), then sizes.
ARRAY_WITH_ARRAY = {
    (B, B): B, (B, U8): U8, (B, I64): I64, (B, F32): F32,
    (U8, U8): U8, (U8, I32): I32, (U8, I64): I64, (U8, F16): F16, (U8, F32): F32, (U8, F64): F64,
    (I32, I32): I32, (I32, I64): I64, (I32, F16): F16, (I32, F32): F32, (I32, F64): F64,
    (I64, I64): I64, (I64, F16): F16, (I64, F32): F32, (I64, F64): F64,
    (F16, F32): F32, (F16, F64): F64, (F32, F32): F32, (F32, F64): F64, (F64, F64): F64,
}  # fmt: skip

# A number counts only where it is of a higher kind than the array.
ARRAY_WITH_NUMBER = [
    (B, True, B), (B, 2, I64), (B, 2.0, F32),
    (U8, True, U8), (U8, 2, U8), (U8, 2.0, F32),
    (I64, True, I64), (I64, 2, I64), (I64, 2.0, F32),
    (F16, 2, F16), (F16, 2.0, F16), (F32, True, F32), (F32, 2, F32), (F32, 2.0, F32),
    (F64, 2, F64), (F64, 2.0, F64),
]  # fmt: skip


def ones(dtype, shape=(2,)):
    return tg.tensor(np.ones(shape, dtype))


@pytest.mark.parametrize("pair", ARRAY_WITH_ARRAY, ids="-".join)
def test_two_tensors(pair):
    a, b = pair
    want = ARRAY_WITH_ARRAY[pair]
    assert (ones(a) * ones(b)).dtype == want
    assert (ones(b) * ones(a)).dtype == want
    assert (ones(a, ()) * ones(b, ())).dtype == want


@pytest.mark.parametrize(("dtype", "number", "want"), ARRAY_WITH_NUMBER)
def test_a_tensor_and_a_number(dtype, number, want):
    assert (ones(dtype) * number).dtype == want
    assert (number * ones(dtype)).dtype == want
    assert (ones(dtype, ()) * number).dtype == want


@pytest.mark.parametrize("pair", ARRAY_WITH_ARRAY, ids="-".join)
def test_a_0d_tensor_counts_as_a_number(pair):
    kinds = {"b": 0, "u": 1, "i": 1, "f": 2}
    for dim, zero_dim in (pair, pair[::-1]):
        higher = kinds[np.dtype(zero_dim).kind] > kinds[np.dtype(dim).kind]
        want = ARRAY_WITH_ARRAY[pair] if higher else dim
        assert (ones(dim) * ones(zero_dim, ())).dtype == want


@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), np.int64(2), np.int8(2)])
def test_a_numpy_number_counts_as_a_python_number(number):
    x = ones(F32)
    for y in (x * number, number * x, x + number, x / number, x - number, x**number):
        assert y.dtype == F32
    assert (ones(I64) * np.float64(2)).dtype == F32


def test_an_array_counts_as_a_tensor_from_either_side():
    a = np.ones(2)
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for y in (x * a, a * x, a + x, a - x, a / x, a**x, x**a):
        assert y.dtype == F64
        assert y.requires_grad
        (dx,) = tg.grad(y.sum(), x)
        assert dx.dtype == F32


def test_bools_are_raised_to_powers_as_integers():
    assert (tg.tensor([True, False]) ** 2).dtype == I64


@pytest.mark.parametrize("dtype", [B, U8, I64])
def test_integers_are_divided_as_float32(dtype):
    assert (ones(dtype) / ones(dtype)).dtype == F32
    assert (ones(dtype) / 2).dtype == F32
    assert (2 / ones(dtype)).dtype == F32
    assert (ones(F64) / ones(dtype)).dtype == F64


@pytest.mark.parametrize("dtype", [B, U8, I64, F32, F64])
@pytest.mark.parametrize("op", ["exp", "log", "sqrt", "sigmoid", "tanh"])
def test_functions_of_integers_are_float32(op, dtype):
    assert getattr(ones(dtype), op)().dtype == (dtype if dtype in (F32, F64) else F32)


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError, match="tensor of dtype float32 cannot be combined with NoneType"):
        ones(F32) * None
    with pytest.raises(TypeError, match="cannot be combined with list; make it a tensor first"):
        ones(F32) * [1.0, 2.0]


def test_result_type_of_several_operands():
    from tinygrad_cv.engine.promotion import result_type

    assert result_type(ones(U8), ones(F64, ()), 3) == F64
    assert result_type(ones(I32), ones(I64, ()), True) == I32
    assert result_type(True, 2) == I64
    assert result_type(2.0) == F32


@pytest.mark.torch
@pytest.mark.parametrize("op", ["add", "mul", "truediv", "pow"])
def test_dtypes_are_pytorchs(op):
    torch = pytest.importorskip("torch")
    function = getattr(operator, op)
    values = [("array", d) for d in (B, U8, I32, I64, F16, F32, F64)]
    values += [("0d", d) for d in (B, U8, I32, I64, F16, F32, F64)]
    values += [("number", n) for n in (True, 2, 2.0)]
    for a, b in itertools.product(values, repeat=2):
        if a[0] == b[0] == "number":
            continue

        def make(kind, what, of):
            if kind == "number":
                return what
            array = np.ones((2,) if kind == "array" else (), what)
            return tg.tensor(array) if of == "ours" else torch.tensor(array)

        try:
            want = function(make(*a, "torch"), make(*b, "torch"))
        except RuntimeError:
            continue  # PyTorch has no such operation (pow of two bools)
        if op == "pow" and want.dtype is torch.bool:
            continue  # of two bools, which NumPy gives as int8
        ours = function(make(*a, "ours"), make(*b, "ours"))
        assert str(want.dtype) == f"torch.{ours.dtype}", (op, a, b)
        assert tuple(want.shape) == ours.shape
