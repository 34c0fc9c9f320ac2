"""Gates of pools to a given size: values and local gradients. Kernels are in backends."""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import UnaryGate


class AdaptiveAvgPool2d(UnaryGate):
    """y = the mean of each of `size` windows; linear.

    Local gradient: 1 / n for each of the window's n values.
    Shapes: x (N, C, H, W); y (N, C, OH, OW).
    """

    __slots__ = ("size", "x_size")

    def __init__(self, size):
        self.size = size

    def forward(self, x):
        self.saved = ()
        self.x_size = x.shape[2:]
        return backend_for(x).adaptive_avg_pool2d(x, self.size)

    def backward(self, grad):
        return (AdaptiveAvgPool2dGrad(self.x_size)(grad),)


class AdaptiveAvgPool2dGrad(UnaryGate):
    """gx: each gradient spread over its window; linear."""

    __slots__ = ("size", "x_size")

    def __init__(self, x_size):
        self.x_size = x_size

    def forward(self, grad):
        self.saved = ()
        self.size = grad.shape[2:]
        return backend_for(grad).adaptive_avg_pool2d_backward(grad, self.x_size)

    def backward(self, gg):
        return (AdaptiveAvgPool2d(self.size)(gg),)


class AdaptiveMaxPool2d(UnaryGate):
    """y = the largest value of each of `size` windows.

    Local gradient: 1 for the largest value (the first in row order where several are equal), 0 for the
    others.
    Shapes: x (N, C, H, W); y and places (N, C, OH, OW).
    """

    __slots__ = ("places", "size", "x_size")

    def __init__(self, size):
        self.size = size

    def forward(self, x):
        self.saved = ()
        self.x_size = x.shape[2:]
        y, self.places = backend_for(x).adaptive_max_pool2d(x, self.size)
        return y

    def backward(self, grad):
        return (AdaptiveMaxPool2dGrad(self.places, self.x_size)(grad),)


class AdaptiveMaxPool2dGrad(UnaryGate):
    """gx: each gradient goes to its window's largest value; linear."""

    __slots__ = ("places", "x_size")

    def __init__(self, places, x_size):
        self.places, self.x_size = places, x_size

    def forward(self, grad):
        self.saved = ()
        return backend_for(grad).adaptive_max_pool2d_backward(grad, self.places, self.x_size)

    def backward(self, gg):
        return (AdaptiveMaxPool2dGather(self.places)(gg),)


class AdaptiveMaxPool2dGather(UnaryGate):
    """y = the value at each window's place: the transpose of AdaptiveMaxPool2dGrad."""

    __slots__ = ("places", "x_size")

    def __init__(self, places):
        self.places = places

    def forward(self, x):
        self.saved = ()
        self.x_size = x.shape[2:]
        return backend_for(x).adaptive_max_pool2d_gather(x, self.places)

    def backward(self, grad):
        return (AdaptiveMaxPool2dGrad(self.places, self.x_size)(grad),)
