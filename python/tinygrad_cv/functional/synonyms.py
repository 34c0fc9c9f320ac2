"""PyTorch's second names, and what it also spells as a function of a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.functional.arithmetic import div, mul, neg, sub
from tinygrad_cv.functional.choice import clamp
from tinygrad_cv.functional.comparison import ge, gt, le, lt, ne
from tinygrad_cv.functional.rounding import abs

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

absolute = abs
clip = clamp
divide = true_divide = div
greater = gt
greater_equal = ge
less = lt
less_equal = le
multiply = mul
negative = neg
not_equal = ne
subtract = sub


def detach(input: Tensor) -> Tensor:
    """The same values outside the graph, sharing memory."""
    return input.detach()


def is_floating_point(input: Tensor) -> bool:
    """True for float dtypes."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """Number of elements."""
    return input.numel()
