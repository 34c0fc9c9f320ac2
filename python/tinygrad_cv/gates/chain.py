"""The chain rule, upstream times local gradient, where care is needed: poles, masks, zeros."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.engine.gate import OUT, BinaryGate, UnaryGate
from tinygrad_cv.engine.masking import below_mask
from tinygrad_cv.engine.shortcuts import shortcut
from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.gates.broadcast import unbroadcast

quiet = np.errstate(all="ignore")  # for forwards whose value may be NaN or infinite

_below_mask = below_mask.get


@shortcut
def chain(grad, local):
    """grad times a local gradient that is finite where the gate's value is.

    Below a mask a zero gradient stays 0 even where `local` is not finite.
    """
    return ZeroOr()(grad, local) if _below_mask() else grad * local


def array_of(value):
    """The plain array of a saved value, for masks: comparisons have no gradient."""
    return value.array if isinstance(value, Tensor) else value


class ZeroOr(BinaryGate):
    """y = a b, and 0 where a is 0 even if b is infinite or NaN; with `either`, also where b is 0.

    For local gradients with a pole: no gradient arrives, so none leaves. Local gradients: b, and a by
    the stricter rule, since y stays 0 whatever b is where a is 0.
    """

    __slots__ = ("either",)
    saved_from = (0, 1)

    def __init__(self, either=False):
        self.either = either

    @quiet
    def forward(self, a, b):
        self.saved = a, b
        y = a * b
        if on_gpu(y) or np.isnan(y).any():
            zero = (a == 0) | (b == 0) if self.either else a == 0
            return np.where(zero, y.dtype.type(0), y)
        return y

    def backward(self, grad):
        below_mask.set(True)
        a, b = self.saved
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(ZeroOr(self.either)(grad, b), a.shape),
            None if node_b is None else unbroadcast(ZeroOr(True)(grad, a), b.shape),
        )


class ZeroOver(BinaryGate):
    """y = a / b, and 0 where a is 0 even if b is 0 or NaN: `ZeroOr` for quotients.

    Local gradients: 1 / b and -y / b, by the same rule.
    """

    __slots__ = ()
    saved_from = (0, 1, OUT)

    @quiet
    def forward(self, a, b):
        y = a / b
        if on_gpu(y) or np.isnan(y).any():
            y = np.where(a == 0, y.dtype.type(0), y)
        self.saved = a, b, y
        return y

    def backward(self, grad):
        below_mask.set(True)
        a, b, y = self.saved
        node_a, node_b = self.parents
        ga = ZeroOver()(grad, b)
        return (
            None if node_a is None else unbroadcast(ga, a.shape),
            None if node_b is None else unbroadcast(-ZeroOr(True)(ga, y), b.shape),
        )


class Over(BinaryGate):
    """y = a / b, and 0 wherever a or b is 0, with local gradients 0 where b is.

    For norms and distances, whose subgradient at 0 is 0. Local gradients: 1 / b and -y / b.
    """

    __slots__ = ()
    saved_from = (1, OUT)

    @quiet
    def forward(self, a, b):
        y = a / b
        if on_gpu(y) or not np.isfinite(y).all():
            y = np.where((a == 0) | (b == 0), y.dtype.type(0), y)
        self.shapes = a.shape, b.shape
        self.saved = b, y
        return y

    def backward(self, grad):
        below_mask.set(True)
        b, y = self.saved
        shape_a, shape_b = self.shapes
        ga = Over()(grad, b)
        return unbroadcast(ga, shape_a), unbroadcast(chain(-ga, y), shape_b)


class Keep(UnaryGate):
    """y = x where the mask is true, exactly 0 elsewhere, be x infinite or NaN. Its own transpose.

    Shapes: x and mask broadcast; y their common shape.
    """

    __slots__ = ("mask", "x_shape")

    def __init__(self, mask):
        self.mask = mask

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return np.where(self.mask, x, x.dtype.type(0))

    def backward(self, grad):
        below_mask.set(True)
        return (unbroadcast(Keep(self.mask)(grad), self.x_shape),)


class Damp(UnaryGate):
    """y = x, whose gradient is multiplied by a constant factor that broadcasts."""

    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        self.saved = ()
        return x

    def backward(self, grad):
        return (grad * self.factor,)


class Zeros(UnaryGate):
    """y = 0 in the shape and dtype of x: the gradient of what is flat almost everywhere."""

    __slots__ = ()

    def forward(self, x):
        self.saved = ()
        return np.zeros_like(x)

    def backward(self, grad):
        return (Zeros()(grad),)
