"""Tensors made from a shape and a dtype: what every factory takes, and what they refuse."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg

LIKE = {
    "zeros": tg.zeros_like,
    "ones": tg.ones_like,
    "empty": tg.empty_like,
    "full": lambda x, **settings: tg.full_like(x, 2, **settings),
    "rand": tg.rand_like,
    "randn": tg.randn_like,
}
SIZED = {
    "randint": lambda **settings: tg.randint(5, (3,), **settings),
    "randperm": lambda **settings: tg.randperm(3, **settings),
}


@pytest.mark.parametrize("like", LIKE.values(), ids=LIKE)
def test_like_takes_shape_and_dtype_of_its_input(like):
    x = tg.zeros(2, 3, dtype=tg.float64)
    made = like(x, device="cpu", requires_grad=True)
    assert (made.shape, made.dtype, made.requires_grad) == ((2, 3), tg.float64, True)
    assert like(x, dtype=tg.float32).dtype == tg.float32
    with pytest.raises(ValueError, match="device: expected 'cpu'"):
        like(x, device="tpu")


@pytest.mark.parametrize("make", SIZED.values(), ids=SIZED)
def test_random_ints_in_other_dtypes(make):
    assert make().dtype == tg.int64
    made = make(dtype=tg.float32, device="cpu", requires_grad=True)
    assert (made.dtype, made.requires_grad) == (tg.float32, True)
    with pytest.raises(TypeError, match="only float tensors have gradients, got int64"):
        make(requires_grad=True)


def test_randperm_is_a_permutation():
    tg.manual_seed(0)
    drawn = tg.randperm(50)
    assert sorted(drawn.tolist()) == list(range(50))
    assert drawn.tolist() != list(range(50))
    with pytest.raises(ValueError, match="randperm: n must be >= 0, got -1"):
        tg.randperm(-1)
