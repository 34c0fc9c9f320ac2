"""Reductions over dimensions. `axes` is a tuple of dimensions >= 0, or None for all of them."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.shape import Reshape


class _Reduction(UnaryGate):
    __slots__ = ("axes", "keepdims", "x_shape")

    x_shape: tuple[int, ...]

    def __init__(self, axes=None, keepdims=False):
        self.axes, self.keepdims = axes, keepdims

    def kept_shape(self):
        """The shape of the result with reduced dimensions kept as 1."""
        axes = range(len(self.x_shape)) if self.axes is None else self.axes
        return tuple(1 if i in axes else n for i, n in enumerate(self.x_shape))

    def spread(self, value):
        """A value of the result's shape, broadcast back over the input's."""
        if not self.keepdims and len(self.x_shape) != value.ndim:
            value = Reshape(self.kept_shape())(value)
        return Expand(self.x_shape)(value)


class Sum(_Reduction):
    """y = sum of x over the axes. Local gradient: 1 for each element summed."""

    __slots__ = ()

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x.sum(axis=self.axes, keepdims=self.keepdims)

    def backward(self, grad):
        return (self.spread(grad),)


class Mean(_Reduction):
    """y = mean of x over the axes. Local gradient: 1 / n for each of the n elements averaged."""

    __slots__ = ("count",)

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = x.sum(axis=self.axes, keepdims=self.keepdims)
        self.count = x.size // max(y.size, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return y / y.dtype.type(self.count)

    def backward(self, grad):
        return (self.spread(grad / self.count) if self.count else self.spread(grad),)


class Amax(_Reduction):
    """y = the largest element over the axes.

    Local gradient: 1 for the largest, split evenly where several are equally large.
    """

    __slots__ = ("share",)

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = x.max(axis=self.axes, keepdims=True)
        hit = x == y
        if x.dtype.kind == "f":
            self.share = hit / hit.sum(axis=self.axes, keepdims=True, dtype=x.dtype).clip(1)
        if self.keepdims:
            return y
        return y.squeeze(axis=self.axes)

    def backward(self, grad):
        return (self.spread(grad) * self.share,)
