"""Gates that take elements by place, put them there, or add them there.

Two families: `Index` takes NumPy's keys; `Take` and `AddAt` take places in row order, to which
`functional.indexing` brings gather, scatter and their kin.
"""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import Gate, UnaryGate, ViewGate, zero_dim
from tinygrad_cv.engine.masking import below_mask
from tinygrad_cv.gates.broadcast import unbroadcast


class Index(ViewGate):
    """y = x[index], basic or advanced. Local gradient: grad goes back to where it was taken from.

    A basic index gives a view. Elements that an index array names several times get the sum. What a
    mask leaves out gets exactly 0, and below this gate 0 stays 0 (see `engine.masking`).
    """

    __slots__ = ("index", "x_shape")

    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = x[self.index]
        if isinstance(y, np.generic):  # a view as well, not a copy
            y = x[(*self.index, ...) if isinstance(self.index, tuple) else (self.index, ...)]
        return y

    def backward(self, grad):
        if has_mask(self.index):
            below_mask.set(True)
        return (IndexGrad(self.index, self.x_shape)(grad),)


class IndexGrad(UnaryGate):
    """gx = zeros of `shape`, with grad added at `index`: the transpose of `Index`."""

    __slots__ = ("index", "shape")

    def __init__(self, index, shape):
        self.index, self.shape = index, shape

    def forward(self, grad):
        self.saved = ()
        if names_once(self.index):
            gx = np.zeros_like(grad, shape=self.shape, order="C")
            gx[self.index] = grad
            return gx
        return add_at(places(self.index, self.shape), grad, self.shape)

    def backward(self, gg):
        return (Index(self.index)(gg),)


class Take(UnaryGate):
    """y = x at places counted in row order. Local gradient: AddAt, its transpose.

    Shapes: x any; places any, ints >= 0; y as places.
    """

    __slots__ = ("places", "x_shape")

    def __init__(self, places):
        self.places = places

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x.reshape(-1)[self.places]

    def backward(self, grad):
        return (AddAt(self.places, self.x_shape)(grad),)


class AddAt(UnaryGate):
    """y = zeros of `shape`, with x added at places counted in row order; linear."""

    __slots__ = ("places", "shape")

    def __init__(self, places, shape):
        self.places, self.shape = places, shape

    def forward(self, x):
        self.saved = ()
        return add_at(self.places, x, self.shape)

    def backward(self, grad):
        return (Take(self.places)(grad),)


class Put(Gate):
    """y = x with `value` written at an index; where one place is written twice the last one stays.

    Local gradients: grad for the elements of x that stayed, grad at the index for value.
    Shapes: value broadcasts to the shape of x[index]; y as x. With `in_place` y is x itself.
    """

    __slots__ = ("in_place", "index", "value_shape")

    def __init__(self, index, in_place=False):
        self.index, self.in_place = index, in_place

    def forward(self, x, value):
        self.saved = ()
        self.value_shape = value.shape
        y = x if self.in_place else np.copy(x)
        y[self.index] = value
        return y

    def backward(self, grad):
        need_x, need_value = self.needs_grad
        return (
            Erase(self.index)(grad) if need_x else None,
            unbroadcast(PickLast(self.index)(grad), self.value_shape) if need_value else None,
        )


class Erase(UnaryGate):
    """y = x with zeros at an index. Its own transpose."""

    __slots__ = ("index",)

    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.saved = ()
        y = np.copy(x)  # x may be a NumPy scalar
        y[self.index] = 0
        return y

    def backward(self, grad):
        return (Erase(self.index)(grad),)


class PickLast(UnaryGate):
    """y = x[index], but zero for all but the last of those that name the same place."""

    __slots__ = ("index", "last", "x_shape")

    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        y = x[self.index]
        if names_once(self.index):
            self.last = None
            return y.copy()
        order = np.arange(y.size).reshape(y.shape)
        written = np.empty(x.shape, order.dtype)
        written[self.index] = order
        self.last = written[self.index] == order
        return y * self.last

    def backward(self, grad):
        if self.last is not None:
            grad = grad * self.last
        return (IndexGrad(self.index, self.x_shape)(grad),)


def has_mask(index):
    """True if an array of bools is among the parts of an index."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, np.ndarray) and p.dtype == np.bool_ for p in parts)


def names_once(index):
    """True if no element can be named twice: slices, ints, None, Ellipsis, one boolean mask."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p for p in parts if isinstance(p, np.ndarray)]
    return not arrays or (len(arrays) == 1 and arrays[0].dtype == bool)


def places(index, shape):
    """The places in row order that x[index] takes from x of this shape."""
    return np.arange(np.prod(shape, dtype=np.int64)).reshape(shape)[index]


def add_at(places, values, shape):
    """Zeros of `shape` with the values added at their places, in order, summed as float64."""
    size = int(np.prod(shape, dtype=np.int64))
    values = zero_dim(values)
    places = np.asarray(places, like=values)
    if values.dtype.kind == "f":
        sums = np.bincount(places.reshape(-1), weights=values.reshape(-1), minlength=size)
        return sums.astype(values.dtype, copy=False).reshape(shape)
    out = np.zeros(size, values.dtype, like=values)
    np.add.at(out, places.reshape(-1), values.reshape(-1))
    return out.reshape(shape)
