"""Trigonometric gates and the angle and length of a pair; elementwise, angles in radians."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import OUT, BinaryGate, UnaryGate
from tinygrad_cv.gates.broadcast import unbroadcast
from tinygrad_cv.gates.chain import Over, chain, quiet


class Sin(UnaryGate):
    """y = sin x. Local gradient: cos x."""

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return np.sin(x)

    def backward(self, grad):
        (x,) = self.saved
        return (chain(grad, Cos()(x)),)


class Cos(UnaryGate):
    """y = cos x. Local gradient: -sin x."""

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return np.cos(x)

    def backward(self, grad):
        (x,) = self.saved
        return (chain(-grad, Sin()(x)),)


class Tan(UnaryGate):
    """y = tan x. Local gradient: 1 + y^2."""

    __slots__ = ()
    saved_from = (OUT,)

    @quiet
    def forward(self, x):
        y = np.tan(x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (chain(grad, 1 + y * y),)


class Atan2(BinaryGate):
    """y = the angle of the point (b, a), from -pi to pi.

    Local gradients: b / r^2 and -a / r^2 with r = hypot(a, b); 0 at the origin.
    """

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, a, b):
        self.saved = a, b
        return np.arctan2(a, b)

    def backward(self, grad):
        a, b = self.saved
        node_a, node_b = self.parents
        r = Hypot()(a, b)
        # Divided twice, since the square of a small r would vanish.
        ga, gb = Over()(Over()(b, r), r), Over()(Over()(a, r), r)
        return (
            None if node_a is None else unbroadcast(chain(grad, ga), a.shape),
            None if node_b is None else unbroadcast(chain(-grad, gb), b.shape),
        )


class Hypot(BinaryGate):
    """y = sqrt(a^2 + b^2), without overflow on the way.

    Local gradients: a / y and b / y; 0 at the origin.
    """

    __slots__ = ()
    saved_from = (0, 1, OUT)

    @quiet
    def forward(self, a, b):
        y = np.hypot(a, b)
        self.saved = a, b, y
        return y

    def backward(self, grad):
        a, b, y = self.saved
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(chain(grad, Over()(a, y)), a.shape),
            None if node_b is None else unbroadcast(chain(grad, Over()(b, y)), b.shape),
        )
