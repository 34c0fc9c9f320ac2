"""Running sums and products along a dimension, and the product over one. Products never divide."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import OUT, Gate, UnaryGate
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.chain import chain, quiet
from tinygrad_cv.gates.shape import Flip, Reshape


class Cumsum(UnaryGate):
    """y[k] = x[0] + … + x[k] along a dimension. Local gradient: the sum of grad[k] and all after."""

    __slots__ = ("axis",)

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        self.saved = ()
        return x.cumsum(axis=self.axis)

    def backward(self, grad):
        flip = (self.axis,)
        return (Flip(flip)(Cumsum(self.axis)(Flip(flip)(grad))),)


class Shift(UnaryGate):
    """y[k] = x[k - step] along a dimension, step 1 or -1, and `fill` at the end that is left over.

    Local gradient: grad shifted back, 0 for the element that fell out.
    """

    __slots__ = ("axis", "fill", "step")

    def __init__(self, axis, step, fill=0):
        self.axis, self.step, self.fill = axis, step, fill

    def forward(self, x):
        self.saved = ()
        y = np.roll(x, self.step, axis=self.axis)
        if y.size:
            edge = 0 if self.step == 1 else -1
            y[(slice(None),) * self.axis + (edge,)] = self.fill
        return y

    def backward(self, grad):
        return (Shift(self.axis, -self.step)(grad),)


class Recurrence(Gate):
    """y[k] = b[k] + a[k] y[k - 1] along a dimension, y[-1] = 0.

    Local gradients: gb is the recurrence that runs back, gb[k] = grad[k] + a[k + 1] gb[k + 1];
    ga[k] = gb[k] y[k - 1].
    Shapes: a, b and y the same. Cost: n log n, by doubling the distance that each y has looked back.
    Source: Hillis & Steele 1986; Blelloch 1990.
    """

    __slots__ = ("axis",)
    saved_from = (1, OUT)

    def __init__(self, axis):
        self.axis = axis

    @quiet
    def forward(self, b, a):
        y = b.copy()
        sums, factors = np.moveaxis(y, self.axis, 0), np.moveaxis(a, self.axis, 0).copy()
        distance = 1
        while distance < len(sums):
            sums[distance:] += factors[distance:] * sums[:-distance]
            factors[distance:] = factors[distance:] * factors[:-distance]
            distance *= 2
        self.saved = a, y
        return y

    def backward(self, grad):
        a, y = self.saved
        gb = backwards(self.axis, grad, a)
        return gb, chain(gb, Shift(self.axis, 1)(y))


def backwards(axis, b, a):
    """The recurrence from the other end: y[k] = b[k] + a[k + 1] y[k + 1]."""
    later = Shift(axis, -1)(a)
    return Flip((axis,))(Recurrence(axis)(Flip((axis,))(b), Flip((axis,))(later)))


class Cumprod(UnaryGate):
    """y[k] = x[0] … x[k] along a dimension.

    Local gradient: gx[k] = x[0] … x[k - 1] s[k] with s[k] = grad[k] + x[k + 1] s[k + 1]; exact where
    elements are 0, since nothing is divided by them.
    """

    __slots__ = ("axis",)
    saved_from = (0,)

    def __init__(self, axis):
        self.axis = axis

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return x.cumprod(axis=self.axis)

    def backward(self, grad):
        (x,) = self.saved
        return (chain(backwards(self.axis, grad, x), before(self.axis, x)),)


def before(axis, x):
    """For each element the product of those before it."""
    return Cumprod(axis)(Shift(axis, 1, 1)(x))


class Prod(UnaryGate):
    """y = the product of x along a dimension.

    Local gradient: the product of the others, from both ends without a division: exact with zeros.
    """

    __slots__ = ("axis", "keepdims")
    saved_from = (0,)

    def __init__(self, axis, keepdims=False):
        self.axis, self.keepdims = axis, keepdims

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return x.prod(axis=self.axis, keepdims=self.keepdims)

    def backward(self, grad):
        (x,) = self.saved
        shape = x.shape
        grad = Reshape((*shape[: self.axis], 1, *shape[self.axis + 1 :]))(grad)
        after = Flip((self.axis,))(before(self.axis, Flip((self.axis,))(x)))
        return (chain(Expand(shape)(grad), chain(before(self.axis, x), after)),)
