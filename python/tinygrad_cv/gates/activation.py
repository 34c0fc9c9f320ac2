"""Activation gates."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import OUT, UnaryGate


class Relu(UnaryGate):
    """y = max(0, x), elementwise; NaN stays NaN.

    Local gradient: 1 where y > 0, else 0 (at the kink x = 0 as well).
    Shapes: x any; y as x. Source: Nair & Hinton 2010.
    """

    __slots__ = ("mask",)

    def forward(self, x):
        y = np.maximum(x, x.dtype.type(0))
        self.mask = y > 0
        self.saved = ()
        return y

    def backward(self, grad):
        return (grad * self.mask,)


class Sigmoid(UnaryGate):
    """y = 1 / (1 + exp(-x)), elementwise.

    Local gradient: y (1 - y).
    Shapes: x any; y as x. Kinks: none.
    Source: CS231n notes, "Backpropagation, Intuitions".
    """

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        # 1 / (1 + exp(-x)) overflows in float32 below x = -88; this form never does.
        y = np.exp(-np.logaddexp(x.dtype.type(0), -x))
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (grad * y * (1 - y),)


class Tanh(UnaryGate):
    """y = tanh x, elementwise. Local gradient: 1 - y^2."""

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        y = np.tanh(x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (grad - grad * y * y,)
