"""Gates that are flat or straight between steps: absolute value, sign, rounding."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate
from tinygrad_cv.gates.chain import Keep, Zeros


class Abs(UnaryGate):
    """y = |x|. Local gradient: the sign of x, which is 0 at the kink x = 0."""

    __slots__ = ("sign",)

    def forward(self, x):
        self.saved = ()
        self.sign = sign(x) if x.dtype.kind == "f" else None
        return np.abs(x)

    def backward(self, grad):
        return (grad * self.sign,)


class Step(UnaryGate):
    """y = f(x) for a NumPy function that is flat but for jumps. Local gradient: 0."""

    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        self.saved = ()
        return self.function(x)

    def backward(self, grad):
        return (Zeros()(grad),)


class NanToNum(UnaryGate):
    """y = x with numbers for NaN and the infinities. Local gradient: 1 where x is finite, else 0."""

    __slots__ = ("finite", "numbers")

    def __init__(self, nan, posinf, neginf):
        self.numbers = nan, posinf, neginf

    def forward(self, x):
        self.saved = ()
        self.finite = np.isfinite(x)
        nan, posinf, neginf = self.numbers
        return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)

    def backward(self, grad):
        return (Keep(self.finite)(grad),)


def sign(x):
    """-1, 0 or 1 in the dtype of x; 0 for NaN, as in PyTorch."""
    if x.dtype.kind == "f":
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)
    return x.copy() if x.dtype.kind == "b" else np.sign(x)
