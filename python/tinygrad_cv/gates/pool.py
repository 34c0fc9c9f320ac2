"""Pooling gates: values and local gradients. Kernels are in backends, argument checks in functional."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import OUT, Gate, UnaryGate
from tinygrad_cv.gates.arithmetic import PowScalar
from tinygrad_cv.gates.chain import Keep, ZeroOr, array_of


class MaxPool2d(UnaryGate):
    """y = the largest value of each window.

    Local gradient: 1 for the window's largest value (the first in row order where several are
    equal), 0 for the others. Padding counts as minus infinity.
    Shapes: x (N, C, H, W); y (N, C, OH, OW).
    """

    __slots__ = ("argmax", "settings", "size")

    def __init__(self, settings):
        self.settings = settings

    def forward(self, x):
        self.saved = ()
        self.size = x.shape[2:]
        y, self.argmax = backend_for(x).max_pool2d(x, self.settings)
        return y

    def places(self):
        """Where the largest values are, counted in row order in each image: int64, shape of y."""
        _, width = self.settings.kernel
        places = 0
        for axis, offset in ((0, self.argmax // width), (1, self.argmax % width)):
            windows = np.arange(offset.shape[2 + axis], like=offset) * self.settings.stride[axis]
            first = (windows - self.settings.padding[axis]).reshape([-1, 1] if axis == 0 else [-1])
            place = first + offset.astype(np.int64) * self.settings.dilation[axis]
            places = places * self.size[axis] + place
        return places

    def backward(self, grad):
        return (MaxPool2dGrad(self.settings, self.argmax, self.size)(grad),)


class MaxPool2dGrad(UnaryGate):
    """gx: each gradient goes to its window's largest value; linear."""

    __slots__ = ("argmax", "settings", "size")

    def __init__(self, settings, argmax, size):
        self.settings, self.argmax, self.size = settings, argmax, size

    def forward(self, grad):
        self.saved = ()
        return backend_for(grad).max_pool2d_backward(grad, self.argmax, self.size, self.settings)

    def backward(self, gg):
        return (MaxPool2dGather(self.settings, self.argmax)(gg),)


class MaxPool2dGather(UnaryGate):
    """y = the value at each window's place of the largest: the transpose of MaxPool2dGrad."""

    __slots__ = ("argmax", "settings", "size")

    def __init__(self, settings, argmax):
        self.settings, self.argmax = settings, argmax

    def forward(self, x):
        self.saved = ()
        self.size = x.shape[2:]
        return backend_for(x).max_pool2d_gather(x, self.argmax, self.settings)

    def backward(self, grad):
        return (MaxPool2dGrad(self.settings, self.argmax, self.size)(grad),)


class AvgPool2d(UnaryGate):
    """y = the mean of each window; linear.

    Local gradient: 1 / divisor for each value of the window, with the forward pass's divisor.
    Shapes: x (N, C, H, W); y (N, C, OH, OW).
    """

    __slots__ = ("settings", "size")

    def __init__(self, settings):
        self.settings = settings

    def forward(self, x):
        self.saved = ()
        self.size = x.shape[2:]
        return backend_for(x).avg_pool2d(x, self.settings)

    def backward(self, grad):
        return (AvgPool2dGrad(self.settings, self.size)(grad),)


class AvgPool2dGrad(UnaryGate):
    """gx: each gradient spread over its window; linear."""

    __slots__ = ("settings", "size")

    def __init__(self, settings, size):
        self.settings, self.size = settings, size

    def forward(self, grad):
        self.saved = ()
        return backend_for(grad).avg_pool2d_backward(grad, self.size, self.settings)

    def backward(self, gg):
        return (AvgPool2d(self.settings)(gg),)


class LpPool2d(UnaryGate):
    """y = (a mean(x^p))^(1 / p) over each window, a its size; 0 where the mean is.

    Local gradient: x^(p - 1) y^(1 - p) a / n for each of the window's n values; 0 where y is 0.
    Shapes: x (N, C, H, W); y (N, C, OH, OW).
    """

    __slots__ = ("p", "settings")
    saved_from = (0, OUT)

    def __init__(self, p, settings):
        self.p, self.settings = p, settings

    def forward(self, x):
        y = backend_for(x).lp_pool2d(x, self.p, self.settings)
        self.saved = x, y
        return y

    def backward(self, grad):
        x, y = self.saved
        return (LpPool2dGrad(self.p, self.settings)(grad, x, y),)


class LpPool2dGrad(Gate):
    """gx = x^(p - 1) S(grad y^(1 - p)), S spreading over windows: linear in grad."""

    __slots__ = ("p", "settings")
    saved_from = (0, 1, 2)

    def __init__(self, p, settings):
        self.p, self.settings = p, settings

    def forward(self, grad, x, y):
        self.saved = grad, x, y
        return backend_for(x).lp_pool2d_backward(grad, x, y, self.p, self.settings)

    def backward(self, gg):
        grad, x, y = self.saved
        p, settings = self.p, self.settings
        area = settings.kernel[0] * settings.kernel[1]
        slope = Keep(array_of(y) != 0)(PowScalar(1 - p)(y))
        met = AvgPool2d(settings)(ZeroOr()(gg, PowScalar(p - 1)(x))) * area  # S transposed
        spread = AvgPool2dGrad(settings, x.shape[2:])(grad * slope) * area
        gx = ZeroOr()(gg * spread * (p - 1), PowScalar(p - 2)(x))
        gy = grad * (1 - p) * Keep(array_of(y) != 0)(PowScalar(-p)(y)) * met
        return slope * met, gx, gy
