"""Gates that move values without changing them. Those that take some are in indexing."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import Gate, UnaryGate, ViewGate
from tinygrad_cv.gates.indexing import Index


class Reshape(ViewGate):
    """y = x in another shape with as many elements; a view where the memory allows it."""

    __slots__ = ("shape", "x_shape")

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x.reshape(self.shape)

    def backward(self, grad):
        return (Reshape(self.x_shape)(grad),)


class Permute(ViewGate):
    """y = x with dimension dims[i] of x as dimension i of y: a view."""

    __slots__ = ("dims",)

    def __init__(self, dims):
        self.dims = dims

    def forward(self, x):
        self.saved = ()
        return x.transpose(self.dims)

    def backward(self, grad):
        inverse = sorted(range(len(self.dims)), key=self.dims.__getitem__)
        return (Permute(tuple(inverse))(grad),)


class Clone(UnaryGate):
    """y = a dense copy of x. Local gradient: 1."""

    __slots__ = ()

    def forward(self, x):
        self.saved = ()
        return x.copy(order="C")

    def backward(self, grad):
        return (grad,)


class Concat(Gate):
    """y = the inputs one after the other along a dimension.

    Local gradient: each input gets its own part of grad.
    Shapes: equal but for dimension `dim`, which adds up.
    """

    __slots__ = ("dim", "lengths")

    def __init__(self, dim):
        self.dim = dim

    def forward(self, *inputs):
        self.saved = ()
        self.lengths = [x.shape[self.dim] for x in inputs]
        return np.concatenate(inputs, axis=self.dim)

    def backward(self, grad):
        parts = []
        start = 0
        for length, parent in zip(self.lengths, self.parents, strict=True):
            end = start + length
            key = (slice(None),) * self.dim + (slice(start, end),)
            parts.append(None if parent is None else Index(key)(grad))
            start = end
        return tuple(parts)


class Flip(UnaryGate):
    """y = x with the order reversed along the dimensions, as a copy. Its own transpose."""

    __slots__ = ("dims",)

    def __init__(self, dims):
        self.dims = dims

    def forward(self, x):
        self.saved = ()
        return np.flip(x, self.dims).copy()

    def backward(self, grad):
        return (Flip(self.dims)(grad),)


class Roll(UnaryGate):
    """y = x with each element moved `shifts` places on along the dimensions, cyclically."""

    __slots__ = ("dims", "shifts")

    def __init__(self, shifts, dims):
        self.shifts, self.dims = shifts, dims

    def forward(self, x):
        self.saved = ()
        return np.roll(x, self.shifts, self.dims)

    def backward(self, grad):
        return (Roll(tuple([-n for n in self.shifts]), self.dims)(grad),)


class ConstantPad(UnaryGate):
    """y = x inside a frame of one value.

    Local gradient: 1 for the elements of x; the frame is constant.
    Shapes: widths, per dimension, (before, after) >= 0; y longer by those.
    """

    __slots__ = ("value", "widths")

    def __init__(self, widths, value):
        self.widths, self.value = widths, value

    def forward(self, x):
        self.saved = ()
        shape = tuple([a + n + b for n, (a, b) in zip(x.shape, self.widths, strict=True)])
        y = np.full_like(x, self.value, shape=shape, order="C")
        y[self.inner(x.shape)] = x
        return y

    def inner(self, x_shape):
        """Where x lies in y."""
        return tuple([slice(a, a + n) for n, (a, _) in zip(x_shape, self.widths, strict=True)])

    def backward(self, grad):
        x_shape = [n - a - b for n, (a, b) in zip(grad.shape, self.widths, strict=True)]
        return (Index(self.inner(x_shape))(grad),)
