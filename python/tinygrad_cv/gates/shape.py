"""Gates that move values without changing them."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate


class Reshape(UnaryGate):
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


class Permute(UnaryGate):
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


class Index(UnaryGate):
    """y = x[index], basic or advanced. Local gradient: grad goes back to where it was taken from.

    Elements that an index array names several times get the sum.
    """

    __slots__ = ("index", "x_shape")

    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x[self.index]

    def backward(self, grad):
        return (IndexGrad(self.index, self.x_shape)(grad),)


class IndexGrad(UnaryGate):
    """gx = zeros of `shape`, with grad added at `index`: the transpose of `Index`."""

    __slots__ = ("index", "shape")

    def __init__(self, index, shape):
        self.index, self.shape = index, shape

    def forward(self, grad):
        self.saved = ()
        gx = np.zeros(self.shape, grad.dtype)
        if is_basic(self.index):
            gx[self.index] = grad
        else:
            np.add.at(gx, self.index, grad)
        return gx

    def backward(self, gg):
        return (Index(self.index)(gg),)


def is_basic(index):
    """True if no element can be named twice: slices, ints, None, Ellipsis, one boolean mask."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p for p in parts if isinstance(p, (np.ndarray, list))]
    return not arrays or (
        len(arrays) == 1 and isinstance(arrays[0], np.ndarray) and arrays[0].dtype == bool
    )


class Clone(UnaryGate):
    """y = a dense copy of x. Local gradient: 1."""

    __slots__ = ()

    def forward(self, x):
        self.saved = ()
        return x.copy(order="C")

    def backward(self, grad):
        return (grad,)
