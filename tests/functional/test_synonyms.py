"""PyTorch's second names do what the first ones do."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg

A, B = np.array([1.5, -2.0, 3.0]), np.array([2.0, -2.0, 0.5])


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("subtract", A - B),
        ("multiply", A * B),
        ("divide", A / B),
        ("true_divide", A / B),
        ("greater", A > B),
        ("greater_equal", A >= B),
        ("less", A < B),
        ("less_equal", A <= B),
        ("not_equal", A != B),
    ],
)
def test_second_names_of_two_operands(name, want):
    a, b = tg.tensor(A), tg.tensor(B)
    np.testing.assert_array_equal(getattr(tg, name)(a, b).numpy(), want)
    np.testing.assert_array_equal(getattr(a, name)(b).numpy(), want)


def test_second_names_of_one_operand():
    a = tg.tensor(A, requires_grad=True)
    assert tg.absolute(a).tolist() == a.absolute().tolist() == [1.5, 2, 3]
    assert tg.negative(a).tolist() == a.negative().tolist() == [-1.5, 2, -3]
    assert tg.clip(a, -1, 2).tolist() == [1.5, -1, 2]
    assert not tg.detach(a).requires_grad
    assert tg.numel(a) == 3
    assert tg.is_floating_point(a)
    assert not tg.is_floating_point(tg.tensor(1))
    assert tg.is_tensor(a)
    assert not tg.is_tensor(A)
