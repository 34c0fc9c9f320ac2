"""Resampling along one dimension: each output is a weighted sum of a few inputs."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate


class Resample(UnaryGate):
    """y[o] = Σ over the taps of weight x[i] along a dimension; linear.

    A tap is three arrays: outputs (each once), the inputs that they read (not decreasing) and the
    weights. Local gradient: its transpose, ResampleGrad.
    Shapes: x any; y as x, but `size` long in the dimension.
    """

    __slots__ = ("dim", "length", "size", "taps")

    def __init__(self, dim, size, taps):
        self.dim, self.size, self.taps = dim, size, taps

    def forward(self, x):
        self.saved = ()
        self.length = x.shape[self.dim]
        shape = (*x.shape[: self.dim], self.size, *x.shape[self.dim + 1 :])
        y = np.zeros_like(x, shape=shape, order="C")
        for outputs, inputs, weights in on_device(self.taps, x):
            values = x.take(inputs, self.dim)
            values *= along(weights, self.dim, x)
            y[(slice(None),) * self.dim + (outputs,)] += values
        return y

    def backward(self, grad):
        return (ResampleGrad(self.dim, self.length, self.taps)(grad),)


class ResampleGrad(UnaryGate):
    """gx[i] = Σ over the taps of weight grad[o]: the transpose of `Resample`."""

    __slots__ = ("dim", "length", "size", "taps")

    def __init__(self, dim, length, taps):
        self.dim, self.length, self.taps = dim, length, taps

    def forward(self, grad):
        self.saved = ()
        self.size = grad.shape[self.dim]
        shape = (*grad.shape[: self.dim], self.length, *grad.shape[self.dim + 1 :])
        gx = np.zeros_like(grad, shape=shape, order="C")
        for tap in self.taps:
            inputs = tap[1]
            first = np.flatnonzero(np.diff(inputs, prepend=-1))  # where another input begins
            if not len(first):
                continue
            outputs, weights, first, read = on_device(
                [(tap[0], tap[2], first, inputs[first])], grad
            )[0]
            values = grad.take(outputs, self.dim)
            values *= along(weights, self.dim, grad)
            sums = np.add.reduceat(values, first, axis=self.dim)
            gx[(slice(None),) * self.dim + (read,)] += sums
        return gx

    def backward(self, gg):
        return (Resample(self.dim, self.size, self.taps)(gg),)


def on_device(taps, x):
    """The taps' arrays where x is."""
    return [tuple([np.asarray(part, like=x) for part in tap]) for tap in taps]


def along(weights, dim, x):
    """Weights in the dtype of x, to be multiplied with it along a dimension."""
    return weights.astype(x.dtype).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
