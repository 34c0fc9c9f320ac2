"""The gate that takes values to another device."""

from __future__ import annotations

from tinygrad_cv.engine.device import device_of, placed
from tinygrad_cv.engine.gate import UnaryGate


class Move(UnaryGate):
    """y = x on another device. Local gradient: 1, on the device of x."""

    __slots__ = ("origin", "place")

    def __init__(self, place):
        self.place = place

    def forward(self, x):
        self.saved = ()
        self.origin = device_of(x)
        return placed(x, self.place)

    def backward(self, grad):
        return (Move(self.origin)(grad),)
