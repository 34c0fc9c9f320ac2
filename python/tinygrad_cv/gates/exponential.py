"""Exponentials and logarithms, elementwise."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cv.engine.gate import OUT, BinaryGate, UnaryGate
from tinygrad_cv.engine.masking import maybe_any
from tinygrad_cv.gates.broadcast import unbroadcast
from tinygrad_cv.gates.chain import ZeroOver, chain, quiet
from tinygrad_cv.gates.kernels import ONE_FUNCTION, ONE_PRODUCT, kernel_gradient, room_for

exp = quiet(np.exp)


class Exp(UnaryGate):
    """y = e^x. Local gradient: y."""

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        room = room_for(x, ONE_FUNCTION)
        y = exp(x) if room is None else room.activation("exp", x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        gx = kernel_gradient("exp", grad, y, least=ONE_PRODUCT)
        if gx is not None:
            return (gx,)
        return (chain(grad, y),)


class Expm1(UnaryGate):
    """y = e^x - 1, exact for small x. Local gradient: y + 1."""

    __slots__ = ()
    saved_from = (OUT,)

    @quiet
    def forward(self, x):
        y = np.expm1(x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (chain(grad, y + 1),)


class Log(UnaryGate):
    """y = log x to a base, by default e; -inf at 0, NaN below.

    Local gradient: 1 / (x ln base); a zero gradient stays 0 at x = 0.
    """

    __slots__ = ("base",)
    saved_from = (0,)

    def __init__(self, base=math.e):
        self.base = base

    @quiet
    def forward(self, x):
        self.saved = (x,)
        if self.base == 2:
            return np.log2(x)
        return np.log10(x) if self.base == 10 else np.log(x)

    def backward(self, grad):
        (x,) = self.saved
        if self.base != math.e:
            x = x * math.log(self.base)
        return (ZeroOver()(grad, x),)


class Log1p(UnaryGate):
    """y = ln (1 + x), exact for small x; -inf at -1, NaN below.

    Local gradient: 1 / (1 + x); a zero gradient stays 0 at x = -1.
    """

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return np.log1p(x)

    def backward(self, grad):
        (x,) = self.saved
        return (ZeroOver()(grad, x + 1),)


class LogAddExp(BinaryGate):
    """y = ln (e^a + e^b), the larger subtracted first.

    Local gradients: e^(a - y) and e^(b - y); 0 where both are -inf.
    """

    __slots__ = ()
    saved_from = (0, 1, OUT)

    @quiet
    def forward(self, a, b):
        y = np.logaddexp(a, b)
        self.saved = a, b, y
        return y

    def backward(self, grad):
        a, b, y = self.saved
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(chain(grad, ExpDiff()(a, y)), a.shape),
            None if node_b is None else unbroadcast(chain(grad, ExpDiff()(b, y)), b.shape),
        )


class ExpDiff(BinaryGate):
    """y = e^(a - b), and 0 where both are -inf. Local gradients: y and -y."""

    __slots__ = ()
    saved_from = (OUT,)

    @quiet
    def forward(self, a, b):
        y = np.exp(a - b)
        both = b == -np.inf
        if maybe_any(both):
            y = np.where(both & (a == b), y.dtype.type(0), y)
        self.shapes = a.shape, b.shape
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        shape_a, shape_b = self.shapes
        part = chain(grad, y)
        return unbroadcast(part, shape_a), unbroadcast(-part, shape_b)
