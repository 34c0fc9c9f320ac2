"""Gates under the losses."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import OUT, UnaryGate
from tinygrad_cv.gates.chain import chain, quiet
from tinygrad_cv.gates.exponential import Exp
from tinygrad_cv.gates.reduction import Sum


class LogSoftmax(UnaryGate):
    """y = x - log Σ exp(x) along one dimension (None: of a 0-d x), the largest x subtracted first.

    Local gradient: gx = grad - softmax(x) Σ grad. A row of minus infinities gives NaN.
    Shapes: x any; y as x.
    """

    __slots__ = ("dim",)
    saved_from = (OUT,)

    def __init__(self, dim):
        self.dim = dim

    @quiet
    def forward(self, x):
        shifted = x - x.max(axis=self.dim, keepdims=True, initial=-np.inf)
        y = shifted - np.log(np.exp(shifted).sum(axis=self.dim, keepdims=True))
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        total = Sum(None if self.dim is None else (self.dim,), keepdims=True)(grad)
        return (grad - chain(total, Exp()(y)),)


class Pick(UnaryGate):
    """y[n] = x[n, labels[n]] for rows of scores.

    Local gradient: grad goes to the label's column; the others get 0.
    Shapes: x (N, K), labels (N,) of ints; y (N,).
    """

    __slots__ = ("labels", "x_shape")

    def __init__(self, labels):
        self.labels = labels

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x[np.arange(len(self.labels)), self.labels]

    def backward(self, grad):
        return (_PickGrad(self.labels, self.x_shape)(grad),)


class _PickGrad(UnaryGate):
    """gx = zeros with grad[n] at [n, labels[n]]: the transpose of Pick."""

    __slots__ = ("labels", "shape")

    def __init__(self, labels, shape):
        self.labels, self.shape = labels, shape

    def forward(self, grad):
        self.saved = ()
        gx = np.zeros(self.shape, grad.dtype)
        gx[np.arange(len(self.labels)), self.labels] = grad
        return gx

    def backward(self, gg):
        return (Pick(self.labels)(gg),)
