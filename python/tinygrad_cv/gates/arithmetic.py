"""Arithmetic gates: sums, products, quotients, powers; elementwise, with NumPy's broadcasting."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import OUT, BinaryGate, Gate, UnaryGate
from tinygrad_cv.gates.broadcast import shapes_of, unbroadcast
from tinygrad_cv.gates.chain import Keep, ZeroOr, ZeroOver, Zeros, array_of, chain, quiet
from tinygrad_cv.gates.exponential import Log
from tinygrad_cv.gates.operators import add, multiply, subtract


class Add(BinaryGate):
    """y = a + b. Local gradients: 1 and 1: the gate hands its gradient on to both."""

    __slots__ = ()

    def forward(self, a, b):
        self.saved = ()
        self.shapes = shapes_of(a, b)
        return add(a, b)

    def backward(self, grad):
        shape_a, shape_b = self.shapes
        if shape_a == shape_b:
            return grad, grad
        a, b = self.parents
        return (
            None if a is None else unbroadcast(grad, shape_a),
            None if b is None else unbroadcast(grad, shape_b),
        )


class Sub(BinaryGate):
    """y = a - b. Local gradients: 1 and -1."""

    __slots__ = ()

    def forward(self, a, b):
        self.saved = ()
        self.shapes = shapes_of(a, b)
        return subtract(a, b)

    def backward(self, grad):
        shape_a, shape_b = self.shapes
        a, b = self.parents
        return (
            None if a is None else unbroadcast(grad, shape_a),
            None if b is None else unbroadcast(-grad, shape_b),
        )


class Mul(BinaryGate):
    """y = a b. Local gradients: b and a: the gate swaps its inputs."""

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, a, b):
        self.saved = a, b
        return multiply(a, b)

    def backward(self, grad):
        a, b = self.saved
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(chain(grad, b), a.shape),
            None if node_b is None else unbroadcast(chain(grad, a), b.shape),
        )


class Div(BinaryGate):
    """y = a / b. Local gradients: 1 / b and -a / b^2 = -y / b.

    Where the gradient that arrives is 0 the result is 0, also at the pole b = 0.
    """

    __slots__ = ()
    saved_from = (1, OUT)

    @quiet
    def forward(self, a, b):
        y = a / b
        self.saved = b, y
        self.shapes = shapes_of(a, b)
        return y

    def backward(self, grad):
        b, y = self.saved
        shape_a, shape_b = self.shapes
        node_a, node_b = self.parents
        if shape_b is None and b:  # a number
            return unbroadcast(grad / b, shape_a), None
        ga = ZeroOver()(grad, b)
        return (
            None if node_a is None else unbroadcast(ga, shape_a),
            None if node_b is None else unbroadcast(-ZeroOr()(ga, y), shape_b),
        )


class Remainder(BinaryGate):
    """y = a - b floor(a / b), which has the sign of b. Local gradients: 1 and -floor(a / b)."""

    __slots__ = ("quotient",)

    @quiet
    def forward(self, a, b):
        self.saved = ()
        self.shapes = shapes_of(a, b)
        self.quotient, y = np.divmod(a, b)
        return y

    def backward(self, grad):
        shape_a, shape_b = self.shapes
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(grad, shape_a),
            None if node_b is None else unbroadcast(chain(-grad, self.quotient), shape_b),
        )


class Lerp(Gate):
    """y = a + w (b - a), counted from the nearer end, so that w = 1 gives b exactly.

    Local gradients: 1 - w, w and b - a.
    Shapes: a, b, w (which may be a number) broadcast; y their common shape.
    """

    __slots__ = ()
    saved_from = (0, 1, 2)

    @quiet
    def forward(self, a, b, w):
        self.saved = a, b, w
        step = b - a
        return np.where(abs(w) < 0.5, a + w * step, b - step * (1 - w))

    def backward(self, grad):
        a, b, w = self.saved
        need_a, need_b, need_w = self.needs_grad
        return (
            unbroadcast(chain(grad, 1 - w), a.shape) if need_a else None,
            unbroadcast(chain(grad, w), b.shape) if need_b else None,
            unbroadcast(chain(grad, b - a), w.shape) if need_w else None,
        )


class Neg(UnaryGate):
    """y = -x. Local gradient: -1."""

    __slots__ = ()

    def forward(self, x):
        self.saved = ()
        return -x

    def backward(self, grad):
        return (-grad,)


class PowScalar(UnaryGate):
    """y = x^p for a number p. Local gradient: p x^(p - 1), which is 0 for p = 0 at x = 0 as well.

    Where the gradient that arrives is 0 the result is 0, also at a pole (p < 1, x = 0).
    """

    __slots__ = ("p",)
    saved_from = (0,)

    def __init__(self, p):
        self.p = p

    @quiet
    def forward(self, x):
        self.saved = (x,)
        if self.p == -0.5:  # the one power in wide use that NumPy has no short cut for
            return 1 / np.sqrt(x)
        return x**self.p

    def backward(self, grad):
        (x,) = self.saved
        p = self.p
        if p == 0:
            return (Zeros()(grad),)
        if p == 1:
            return (grad,)
        if p == 2:
            return (chain(grad * 2, x),)
        if p > 1:
            return (chain(grad * p, PowScalar(p - 1)(x)),)
        return (ZeroOr()(grad * p, PowScalar(p - 1)(x)),)


class Pow(BinaryGate):
    """y = a^b. Local gradients: b a^(b - 1) and y ln a, the latter 0 where a = 0 and b >= 0.

    Where the gradient that arrives is 0 the result is 0, also at a pole.
    """

    __slots__ = ()
    saved_from = (0, 1, OUT)

    @quiet
    def forward(self, a, b):
        y = a**b
        if not hasattr(a, "dtype"):  # as in 2 ** b
            a = np.full_like(y, a, shape=())
        self.saved = a, b, y
        return y

    def backward(self, grad):
        a, b, y = self.saved
        node_a, node_b = self.parents
        ga = gb = None
        if node_a is not None:
            ga = unbroadcast(ZeroOr()(chain(grad, b), Pow()(a, b - 1)), a.shape)
        if node_b is not None:
            away = (array_of(a) != 0) | (array_of(b) < 0)
            gb = Keep(away)(chain(grad, y))
            gb = unbroadcast(ZeroOr()(gb, Log()(a)), b.shape)
        return ga, gb


class Cast(UnaryGate):
    """y = x in another float dtype. Local gradient: 1, in the dtype of x."""

    __slots__ = ("dtype", "x_dtype")

    def __init__(self, dtype):
        self.dtype = dtype

    def forward(self, x):
        self.saved = ()
        self.x_dtype = x.dtype
        return x.astype(self.dtype)

    def backward(self, grad):
        return (Cast(self.x_dtype)(grad),)
