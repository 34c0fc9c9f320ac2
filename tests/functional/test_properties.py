"""What a tensor says of itself, and tensors made in its likeness."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.gates.arithmetic import Mul


def test_size_in_memory():
    x = tg.zeros(2, 3, dtype=tg.float64)
    assert (x.itemsize, x.nbytes, x.nelement(), x.ndimension()) == (8, 48, 6, 2)


def test_stride_counts_elements():
    x = tg.zeros(2, 3, 4)
    assert x.stride() == (12, 4, 1)
    assert x.transpose(0, 2).stride() == (1, 4, 12)
    assert x.stride(-2) == 4
    with pytest.raises(IndexError, match="stride: dim 3 but the tensor has 3"):
        x.stride(3)


def test_grad_fn_is_the_gate():
    x = tg.ones(2, requires_grad=True)
    assert x.grad_fn is None
    y = x * 2
    assert y.grad_fn is y.gate
    assert isinstance(y.grad_fn, Mul)


def test_a_tensor_in_memory_is_its_own_copy_there():
    x = tg.ones(2, requires_grad=True, device="cpu")
    assert x.cpu() is x
    assert not x.is_cuda


@pytest.mark.skipif(tg.cuda.is_available(), reason="this machine has a GPU that can be used")
def test_a_gpu_that_is_not_there():
    with pytest.raises(RuntimeError, match="device 'cuda': "):
        tg.ones(2).cuda()
    with pytest.raises(RuntimeError, match="device 'cuda:1': "):
        tg.ones(2).cuda("cuda:1")


def test_new_tensors_have_the_dtype_of_the_old():
    x = tg.zeros(2, dtype=tg.float64)
    made = [x.new_tensor([1, 2]), x.new_ones(2), x.new_full((2,), 3), x.new_zeros((2,))]
    assert [t.dtype for t in made] == [tg.float64] * 4
    assert [t.tolist() for t in made] == [[1, 2], [1, 1], [3, 3], [0, 0]]
    assert x.new_empty(2, 3).shape == (2, 3)
    assert x.new_empty(1).dtype == tg.float64
    assert x.new_zeros(2, dtype=tg.int64).dtype == tg.int64


def test_type_is_another_dtype():
    x = tg.ones(2, requires_grad=True)
    assert x.type(tg.float64).dtype == tg.float64
    assert x.type(tg.float32) is x
    with pytest.raises(TypeError, match="nothing"):
        x.type("nothing")


def test_as_tensor_copies_only_what_it_must():
    a = np.zeros(2)
    x = tg.as_tensor(a)
    a[0] = 5
    assert x.tolist() == [5, 0]
    assert tg.as_tensor(x) is x
    assert tg.as_tensor(x, dtype=tg.float32).dtype == tg.float32
    assert tg.as_tensor([1, 2]).tolist() == [1, 2]
    assert tg.as_tensor(2.0, tg.float64).dtype == tg.float64
    assert tg.as_tensor(np.array([1.0], ">f8")).tolist() == [1]
