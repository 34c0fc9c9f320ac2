"""Reductions over dimensions. `axes` is a tuple of dimensions >= 0, or None for all of them."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.engine.gate import OUT, UnaryGate
from tinygrad_cv.gates.arithmetic import PowScalar
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.chain import Keep, Over, array_of, chain, quiet
from tinygrad_cv.gates.exponential import ExpDiff
from tinygrad_cv.gates.rounding import Abs, sign
from tinygrad_cv.gates.shape import Reshape


def largest(x, axes):
    """The largest over the axes (None: all), which stay as 1; minus infinity for nothing."""
    if x.size:
        return x.max(axis=axes, keepdims=True)
    kept = [1 if axes is None or i in axes else n for i, n in enumerate(x.shape)]
    return np.full_like(x, -np.inf, shape=kept)


class _Reduction(UnaryGate):
    __slots__ = ("axes", "keepdims", "x_shape")

    x_shape: tuple[int, ...]

    def __init__(self, axes=None, keepdims=False):
        self.axes, self.keepdims = axes, keepdims

    def kept_shape(self):
        """The shape of the result with reduced dimensions kept as 1."""
        axes = range(len(self.x_shape)) if self.axes is None else self.axes
        return tuple(1 if i in axes else n for i, n in enumerate(self.x_shape))

    def count(self):
        """How many elements go into each of the result."""
        if self.axes is None:
            return math.prod(self.x_shape)
        return math.prod([self.x_shape[axis] for axis in self.axes])

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
        return np.add.reduce(x, axis=self.axes, keepdims=self.keepdims)

    def backward(self, grad):
        return (self.spread(grad),)


class Mean(_Reduction):
    """y = mean of x over the axes. Local gradient: 1 / n for each of the n elements averaged."""

    __slots__ = ()

    @quiet
    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x.sum(axis=self.axes, keepdims=self.keepdims) / x.dtype.type(self.count())

    def backward(self, grad):
        return (self.spread(grad / max(self.count(), 1)),)


class _Extremum(_Reduction):
    """One of the elements over the axes.

    Local gradient: 1 for the element chosen, split evenly where several are equal to it; where the
    result is NaN it goes to the NaNs.
    """

    __slots__ = ("hit",)

    def choose(self, x):
        """The element, with reduced dimensions kept as 1."""
        raise NotImplementedError

    @quiet
    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = self.choose(x)
        self.hit = x == y
        if on_gpu(y) or np.isnan(y).any():
            self.hit |= (x != x) & (y != y)
        return y if self.keepdims else y.squeeze(axis=self.axes)

    def backward(self, grad):
        count = self.hit.sum(axis=self.axes, keepdims=True, dtype=grad.dtype)
        return (Keep(self.hit)(self.spread(grad) / count),)


class Amax(_Extremum):
    """y = the largest element over the axes; NaN if there is one.

    Local gradient: 1 for the largest, split evenly where several are equally large.
    """

    __slots__ = ()

    def choose(self, x):
        return x.max(axis=self.axes, keepdims=True)


class Amin(_Extremum):
    """y = the smallest element over the axes; NaN if there is one.

    Local gradient: 1 for the smallest, split evenly where several are equally small.
    """

    __slots__ = ()

    def choose(self, x):
        return x.min(axis=self.axes, keepdims=True)


class Median(_Extremum):
    """y = the middle element of all, the lower of two middle ones; NaN if there is one.

    Local gradient: 1 for the middle element, split evenly between equals.
    """

    __slots__ = ()

    def choose(self, x):
        if np.isnan(x).any():
            return np.full_like(x, np.nan, shape=(1,) * x.ndim)
        middle = (x.size - 1) // 2
        return np.partition(x, middle, axis=None)[middle].reshape((1,) * x.ndim)


class Var(_Reduction):
    """y = Σ (x - mean)^2 / (n - correction) over the axes, the mean taken first.

    Local gradient: 2 (x - mean) / (n - correction).
    """

    __slots__ = ("correction", "first")
    saved_from: ClassVar[tuple[int, ...]] = (0,)

    def __init__(self, axes, keepdims, correction):
        super().__init__(axes, keepdims)
        self.correction = correction

    @quiet
    def forward(self, x):
        self.saved = (x,)
        self.x_shape = x.shape
        # Counted from the first element, the deviations of equals are exactly 0.
        axes = range(x.ndim) if self.axes is None else self.axes
        self.first = x[tuple([slice(1) if i in axes else slice(None) for i in range(x.ndim)])]
        centred = self.centre(x)
        squares = (centred * centred).sum(axis=self.axes, keepdims=self.keepdims)
        return squares / x.dtype.type(self.divisor())

    def divisor(self):
        return max(self.count() - self.correction, 0)

    def centre(self, x):
        """x - mean."""
        if not self.count():
            return x
        shifted = x - self.first
        return shifted - Mean(self.axes, True)(shifted)

    def backward(self, grad):
        (x,) = self.saved
        return (chain(self.spread(grad * 2 / self.divisor()), self.centre(x)),)


class Std(Var):
    """y = the square root of Var.

    Local gradient: (x - mean) / (y (n - correction)), and 0 where all x are equal.
    """

    __slots__ = ()
    saved_from = (0, OUT)

    @quiet
    def forward(self, x):
        y = np.sqrt(Var.forward(self, x))
        self.saved = x, y
        return y

    def backward(self, grad):
        x, y = self.saved
        weight = Over()(grad / self.divisor(), y)
        return (chain(self.spread(weight), self.centre(x)),)


class LogSumExp(_Reduction):
    """y = ln Σ e^x over the axes, the largest x subtracted first; -inf for nothing.

    Local gradient: e^(x - y), and 0 where all x are -inf.
    """

    __slots__ = ()
    saved_from = (0, OUT)

    @quiet
    def forward(self, x):
        self.x_shape = x.shape
        top = largest(x, self.axes)
        top = np.where(np.isfinite(top), top, x.dtype.type(0))
        y = np.exp(x - top).sum(axis=self.axes, keepdims=True)
        y = np.log(y) + top
        if not self.keepdims:
            y = y.squeeze(axis=self.axes)
        self.saved = x, y
        return y

    def backward(self, grad):
        x, y = self.saved
        return (chain(self.spread(grad), ExpDiff()(x, self.spread(y))),)


class VectorNorm(_Reduction):
    """y = (Σ |x|^p)^(1/p) over the axes, for a finite p that is not 0.

    Local gradient: sign(x) (|x| / y)^(p - 1), and 0 where x or y is 0. For p = 2 that is x / y.
    """

    __slots__ = ("p",)
    saved_from = (0, OUT)

    def __init__(self, p, axes, keepdims):
        super().__init__(axes, keepdims)
        self.p = p

    @quiet
    def forward(self, x):
        self.x_shape = x.shape
        if self.p == 2:
            y = np.sqrt((x * x).sum(axis=self.axes, keepdims=self.keepdims))
        else:
            powers = (np.abs(x) ** self.p).sum(axis=self.axes, keepdims=self.keepdims)
            y = powers ** (1 / self.p)
        self.saved = x, y
        return y

    def backward(self, grad):
        x, y = self.saved
        if self.p == 2:
            return (chain(self.spread(Over()(grad, y)), x),)
        # (|x| / y)^(p - 1) with a power that is not negative, and without its pole
        size = Over()(Abs()(x), self.spread(y))
        local = Over()(PowScalar(self.p)(size), size)
        return (chain(self.spread(grad) * sign(array_of(x)), local),)
