"""Dropout by one kernel each way."""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import UnaryGate, zero_dim


class Dropout(UnaryGate):
    """y = x / (1 - p) where a draw is at least p, else 0.

    Local gradient: the same factors; linear.
    Shapes: x any, draws of that shape in [0, 1), or a key that stands for them; y as x.
    Source: Srivastava et al. 2014.
    """

    __slots__ = ("draws", "p")

    def __init__(self, draws, p):
        self.draws, self.p = draws, p

    def forward(self, x):
        self.saved = ()
        x = zero_dim(x)
        return backend_for(x).dropout(x, self.draws, self.p)

    def backward(self, grad):
        return (Dropout(self.draws, self.p)(grad),)
