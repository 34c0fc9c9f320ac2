"""Diagonals of matrices, and matrices from diagonals: each is the other's transpose."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate, ViewGate


class Diagonal(ViewGate):
    """y = the diagonal over dimensions dim1 and dim2, which becomes the last dimension: a view.

    Local gradient: grad on that diagonal, 0 elsewhere.
    Shapes: x any; y without dim1 and dim2, with the diagonal's length at the end.
    """

    __slots__ = ("dims", "offset", "x_shape")

    def __init__(self, offset, dims):
        self.offset, self.dims = offset, dims

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = x.diagonal(self.offset, *self.dims)
        if getattr(x.flags, "writeable", False):
            y.flags.writeable = True  # NumPy gives it read-only
        return y

    def backward(self, grad):
        return (OnDiagonal(self.offset, self.dims, self.x_shape)(grad),)


class OnDiagonal(UnaryGate):
    """y = zeros of `shape` with x on the diagonal over two dimensions. Transpose of `Diagonal`."""

    __slots__ = ("dims", "offset", "shape")

    def __init__(self, offset, dims, shape):
        self.offset, self.dims, self.shape = offset, dims, shape

    def forward(self, x):
        self.saved = ()
        y = np.zeros(self.shape, x.dtype, like=x)
        diagonal = y.diagonal(self.offset, *self.dims)
        if isinstance(y, np.ndarray):
            diagonal.flags.writeable = True
        diagonal[...] = x
        return y

    def backward(self, grad):
        return (Diagonal(self.offset, self.dims)(grad),)
