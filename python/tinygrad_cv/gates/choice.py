"""Gates that choose between values, element by element: what is not chosen gets no gradient."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import BinaryGate, Gate, UnaryGate
from tinygrad_cv.engine.masking import below_mask, maybe_any
from tinygrad_cv.gates.broadcast import shapes_of, unbroadcast
from tinygrad_cv.gates.chain import Keep


class Where(BinaryGate):
    """y = a where the condition is true, b elsewhere.

    Local gradients: 1 for the one chosen. The other gets exactly 0, and below this gate 0 stays 0
    whatever it meets (see `engine.masking`): a branch that is NaN where it is not chosen does no harm.
    Shapes: condition, a, b broadcast; a and b may be numbers.
    """

    __slots__ = ("condition",)

    def __init__(self, condition):
        self.condition = condition

    def forward(self, a, b):
        self.saved = ()
        self.shapes = shapes_of(a, b)
        return np.where(self.condition, a, b)

    def backward(self, grad):
        below_mask.set(True)
        shape_a, shape_b = self.shapes
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(Keep(self.condition)(grad), shape_a),
            None if node_b is None else unbroadcast(Keep(~self.condition)(grad), shape_b),
        )


class _Extreme(BinaryGate):
    """The larger or smaller of a and b; NaN if either is.

    Local gradients: 1 for the one chosen, half for each where they are equal.
    """

    __slots__ = ("a_loses", "b_loses", "tied")

    def judge(self, a, b, a_loses, b_loses):
        """Keep who lost where. Where there is a NaN nobody loses, as in PyTorch."""
        self.saved = ()
        self.shapes = shapes_of(a, b)
        self.a_loses, self.b_loses = a_loses, b_loses
        tied = a == b
        self.tied = tied if maybe_any(tied) else None

    def backward(self, grad):
        shape_a, shape_b = self.shapes
        node_a, node_b = self.parents
        if self.tied is not None:
            grad = Where(self.tied)(grad * 0.5, grad)
        return (
            None if node_a is None else unbroadcast(Keep(~self.a_loses)(grad), shape_a),
            None if node_b is None else unbroadcast(Keep(~self.b_loses)(grad), shape_b),
        )


class Maximum(_Extreme):
    __doc__ = _Extreme.__doc__
    __slots__ = ()

    def forward(self, a, b):
        self.judge(a, b, a < b, a > b)
        return np.maximum(a, b)


class Minimum(_Extreme):
    __doc__ = _Extreme.__doc__
    __slots__ = ()

    def forward(self, a, b):
        self.judge(a, b, a > b, a < b)
        return np.minimum(a, b)


class Clamp(UnaryGate):
    """y = min(max(x, low), high) for numbers, either of which may be None; NaN stays NaN.

    Local gradient: 1 for low <= x <= high, ends included, else 0.
    """

    __slots__ = ("high", "inside", "low")

    def __init__(self, low, high):
        self.low, self.high = low, high

    def forward(self, x):
        self.saved = ()
        self.inside = between(x, self.low, self.high)
        return np.clip(x, self.low, self.high)

    def backward(self, grad):
        return (Keep(self.inside)(grad),)


class ClampBetween(Gate):
    """y = min(max(x, low), high) for arrays, either of which may be None.

    Local gradients: to x where low <= x <= high; to low where x < low < high; to high where
    x > high or low > high.
    Shapes: x, low, high broadcast; y their common shape.
    """

    __slots__ = ("masks", "shapes")

    def forward(self, x, low, high):
        self.saved = ()
        self.shapes = [None if v is None else v.shape for v in (x, low, high)]
        to_low = None if low is None else x < low
        to_high = None if high is None else x > high
        if to_low is not None and to_high is not None:
            to_low = to_low & (low < high)
            to_high = to_high | (low > high)
        self.masks = between(x, low, high), to_low, to_high
        return np.clip(x, low, high)

    def backward(self, grad):
        return tuple(
            [
                unbroadcast(Keep(mask)(grad), shape) if need else None
                for need, mask, shape in zip(self.needs_grad, self.masks, self.shapes, strict=True)
            ]
        )


def between(x, low, high):
    """Where low <= x <= high; None is no limit."""
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)
