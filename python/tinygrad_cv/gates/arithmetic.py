"""Arithmetic gates: sums, products, powers, exponentials; elementwise, with NumPy's broadcasting."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import OUT, BinaryGate, UnaryGate
from tinygrad_cv.gates.broadcast import unbroadcast


class Add(BinaryGate):
    """y = a + b. Local gradients: 1 and 1: the gate hands its gradient on to both."""

    __slots__ = ()

    def forward(self, a, b):
        self.saved = ()
        self.shapes = getattr(a, "shape", None), getattr(b, "shape", None)
        return a + b

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
        self.shapes = getattr(a, "shape", None), getattr(b, "shape", None)
        return a - b

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
        return a * b

    def backward(self, grad):
        a, b = self.saved
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(grad * b, a.shape),
            None if node_b is None else unbroadcast(grad * a, b.shape),
        )


class Div(BinaryGate):
    """y = a / b. Local gradients: 1 / b and -a / b^2 = -y / b."""

    __slots__ = ()
    saved_from = (1, OUT)

    def forward(self, a, b):
        y = a / b
        self.saved = b, y
        self.shapes = getattr(a, "shape", None), getattr(b, "shape", None)
        return y

    def backward(self, grad):
        b, y = self.saved
        shape_a, shape_b = self.shapes
        node_a, node_b = self.parents
        ga = grad / b
        return (
            None if node_a is None else unbroadcast(ga, shape_a),
            None if node_b is None else unbroadcast(-ga * y, shape_b),
        )


class Neg(UnaryGate):
    """y = -x. Local gradient: -1."""

    __slots__ = ()

    def forward(self, x):
        self.saved = ()
        return -x

    def backward(self, grad):
        return (-grad,)


class ZeroOr(BinaryGate):
    """y = a b, and 0 where a is 0 even if b is infinite or NaN.

    For local gradients with a pole: no gradient arrives, so none leaves. Local gradients: b and a,
    by the same rule.
    """

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, a, b):
        self.saved = a, b
        with np.errstate(invalid="ignore", over="ignore"):
            y = a * b
        if np.isfinite(b).all():
            return y
        return np.where(a == 0, y.dtype.type(0), y)

    def backward(self, grad):
        a, b = self.saved
        return unbroadcast(ZeroOr()(grad, b), a.shape), unbroadcast(ZeroOr()(grad, a), b.shape)


class PowScalar(UnaryGate):
    """y = x^p for a number p. Local gradient: p x^(p - 1), which is 0 for p = 0 at x = 0 as well.

    Where the gradient that arrives is 0 the result is 0, also at a pole (p < 1, x = 0).
    """

    __slots__ = ("p",)
    saved_from = (0,)

    def __init__(self, p):
        self.p = p

    def forward(self, x):
        self.saved = (x,)
        with np.errstate(divide="ignore", invalid="ignore"):
            return x**self.p

    def backward(self, grad):
        (x,) = self.saved
        p = self.p
        if p == 0:
            return (grad * 0,)
        if p == 1:
            return (grad,)
        if p == 2:
            return (grad * 2 * x,)
        if p > 1:
            return (grad * p * PowScalar(p - 1)(x),)
        return (ZeroOr()(grad * p, PowScalar(p - 1)(x)),)


class Pow(BinaryGate):
    """y = a^b. Local gradients: b a^(b - 1) and y ln a, the latter 0 where a = 0 and b >= 0."""

    __slots__ = ()
    saved_from = (0, 1, OUT)

    def forward(self, a, b):
        with np.errstate(divide="ignore", invalid="ignore"):
            y = a**b
        self.saved = a, b, y
        return y

    def backward(self, grad):
        a, b, y = self.saved
        node_a, node_b = self.parents
        ga = gb = None
        if node_a is not None:
            ga = unbroadcast(ZeroOr()(grad * b, Pow()(a, b - 1)), a.shape)
        if node_b is not None:
            # a is a number in 2 ** b
            log_a = Log()(a) if hasattr(a, "dtype") else float(np.log(a)) if a else -np.inf
            gb = unbroadcast(ZeroOr()(grad * y, log_a + 0 * y), b.shape)
        return ga, gb


class Exp(UnaryGate):
    """y = e^x. Local gradient: y."""

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        with np.errstate(over="ignore"):
            y = np.exp(x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (grad * y,)


class Log(UnaryGate):
    """y = ln x; -inf at 0, NaN below. Local gradient: 1 / x; a zero gradient stays 0 at x = 0."""

    __slots__ = ()
    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(x)

    def backward(self, grad):
        (x,) = self.saved
        return (ZeroOr()(grad, PowScalar(-1)(x)),)


class Cast(UnaryGate):
    """y = x in another dtype. Local gradient: 1, in the dtype of x; none for integers."""

    __slots__ = ("dtype", "x_dtype")

    def __init__(self, dtype):
        self.dtype = dtype

    def forward(self, x):
        self.saved = ()
        self.x_dtype = x.dtype
        return x.astype(self.dtype)

    def backward(self, grad):
        return (Cast(self.x_dtype)(grad),)
