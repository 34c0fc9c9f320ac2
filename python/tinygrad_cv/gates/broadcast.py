"""Broadcasting and its transpose, summing: each is the other's local gradient."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate, ViewGate
from tinygrad_cv.engine.shortcuts import shortcut


@shortcut
def shapes_of(a, b):
    """The shapes of two operands, None for a number: for gates that save neither."""
    return getattr(a, "shape", None), getattr(b, "shape", None)


@shortcut
def unbroadcast(grad, shape):
    """Sum a gradient back to the shape that its operand had before it was broadcast."""
    return grad if grad.shape == shape else SumTo(shape)(grad)


class SumTo(UnaryGate):
    """y = x summed over the dimensions in which `shape` has 1 or nothing.

    Local gradient: gx = grad, broadcast to the shape of x.
    Shapes: x any that `shape` broadcasts to; y `shape`.
    """

    __slots__ = ("shape", "x_shape")

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        extra = x.ndim - len(self.shape)
        axes = tuple(range(extra)) + tuple(
            extra + i for i, n in enumerate(self.shape) if n == 1 and x.shape[extra + i] != 1
        )
        return x.sum(axis=axes).reshape(self.shape)

    def backward(self, grad):
        return (Expand(self.x_shape)(grad),)


class Expand(ViewGate):
    """y = x repeated along dimensions of size 1, and new leading ones: a view, no copy.

    Local gradient: gx = grad summed over those dimensions.
    Shapes: x any that broadcasts to `shape`; y `shape`.
    """

    __slots__ = ("shape", "x_shape")

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return np.broadcast_to(x, self.shape)

    def backward(self, grad):
        return (SumTo(self.x_shape)(grad),)
