"""Gates that take elements by place, put them there, or add them there.

Two families: `Index` takes NumPy's keys; `Take` and `AddAt` take places in row order, to which
`functional.indexing` brings gather, scatter and their kin.
"""

from __future__ import annotations

import math

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
        grad = zero_dim(grad)
        return add_at(places(self.index, self.shape, grad), grad, self.shape)

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
        write_at(y, self.index, value)
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
        order = np.arange(y.size, like=x).reshape(y.shape)
        self.last = last_writers(places(self.index, x.shape, x)) == order
        return y * self.last

    def backward(self, grad):
        if self.last is not None:
            grad = grad * self.last
        return (IndexGrad(self.index, self.x_shape)(grad),)


def arrays_of(index):
    """The arrays among the parts of an index."""
    parts = index if isinstance(index, tuple) else (index,)
    return [p for p in parts if hasattr(p, "dtype") and not isinstance(p, np.generic)]


def has_mask(index):
    """True if an array of bools is among the parts of an index."""
    return any(p.dtype == np.bool_ for p in arrays_of(index))


def names_once(index):
    """True if no element can be named twice: slices, ints, None, Ellipsis, one boolean mask."""
    arrays = arrays_of(index)
    return not arrays or (len(arrays) == 1 and arrays[0].dtype == bool)


def places(index, shape, like):
    """The places in row order that x[index] takes from x of this shape, as an array like `like`."""
    return np.arange(math.prod(shape), like=like).reshape(shape)[index]


def last_writers(places):
    """For each of the places the number, in row order, of the last one that names the same."""
    flat = places.reshape(-1)
    order = flat.argsort(kind="stable")
    ranked = flat[order]
    last = np.empty_like(order)
    last[order] = order[np.searchsorted(ranked, ranked, side="right") - 1]
    return last.reshape(places.shape)


def write_at(array, index, value):
    """array[index] = value; where one place is written twice the last one stays."""
    if not isinstance(array, np.ndarray) and not names_once(index):
        # A GPU writes in no order, so all that name a place are given what the last one has.
        chosen = places(index, array.shape, array)
        whole = np.empty(chosen.shape, array.dtype, like=array)
        whole[...] = value
        value = whole.reshape(-1)[last_writers(chosen)]
    array[index] = value


def add_at(places, values, shape):
    """Zeros of `shape` with the values added at their places, in order, summed as float64."""
    size = math.prod(shape)
    values = zero_dim(values)
    places = np.asarray(places, like=values).reshape(-1)
    add = _add_floats if values.dtype.kind == "f" else _add_integers
    sums = add(places, values.reshape(-1), size)
    return sums.astype(values.dtype, copy=False).reshape(shape)


def _add_floats(places, values, size):
    if isinstance(values, np.ndarray):
        return np.bincount(places, weights=values, minlength=size)
    sums = np.zeros(size, np.float64, like=values)  # CuPy's bincount waits for the GPU, twice
    np.add.at(sums, places, values.astype(np.float64))
    return sums


def _add_integers(places, values, size):
    if isinstance(values, np.ndarray):
        sums = np.zeros(size, values.dtype)
        np.add.at(sums, places, values)
        return sums
    # CuPy adds no 64-bit integers at places: running sums of the values in the order of their places.
    order = places.argsort()
    running = np.zeros(len(places) + 1, np.int64, like=values)
    running[1:] = values[order].cumsum()
    ends = np.searchsorted(places[order], np.arange(size, like=values), side="right")
    sums = running[ends]
    sums[1:] -= running[ends[:-1]]
    return sums
