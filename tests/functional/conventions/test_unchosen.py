"""Rows of docs/conventions.md: What was not chosen."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("inactive", ["x.sqrt()", "x.log()", "1 / x", "x * x.log()", "x ** 0.5"])
def test_branch_that_where_did_not_choose(lib, gradient, inactive):
    def f(x):
        return lib.where(x > 0, eval(inactive, {"x": x}), 0.0)

    slope = gradient(f, [4])
    assert gradient(f, [-1, 0, 4]) == [0, 0, *slope]


def test_elements_that_masked_fill_replaced(lib, gradient):
    assert gradient(lambda x: x.sqrt().masked_fill(x <= 0, 0.0), [-1, 0, 4]) == [0, 0, 0.25]


def test_elements_that_a_mask_left_out(lib, gradient):
    assert gradient(lambda x: x.sqrt()[x > 0], [-1, 0, 4]) == [0, 0, 0.25]
