"""Gates that are several in one: the same values and gradients in fewer passes over memory.

A convolution or product clips at 0 in its last write, and its backward pass reads the gradient once
for relu and the bias. `nn.fusion` says when these stand in for a chain of gates.
"""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import OUT, BinaryGate, Gate
from tinygrad_cv.gates.activation import ReluGrad
from tinygrad_cv.gates.chain import array_of
from tinygrad_cv.gates.channel import relu_gradient
from tinygrad_cv.gates.conv import Conv2dInputGrad, Conv2dWeightGrad
from tinygrad_cv.gates.matmul import Matmul, swap_last
from tinygrad_cv.gates.pool import MaxPool2dGrad


class Conv2dRelu(Gate):
    """y = max(0, x ⋆ w + b). Local gradients: those of `Conv2d` where y > 0.

    Shapes: as `Conv2d`.
    """

    __slots__ = ("settings",)
    saved_from = (0, 1, OUT)

    def __init__(self, settings):
        self.settings = settings

    def forward(self, x, w, b=None):
        y = backend_for(x).conv2d(x, w, b, self.settings, relu=True)
        self.saved = x, w, y
        return y

    def backward(self, grad):
        x, w, y = self.saved
        need = self.needs_grad
        grad, gb = relu_gradient(grad, y, len(need) == 3 and need[2])
        gx = Conv2dInputGrad(self.settings, x.shape[2:])(grad, w) if need[0] else None
        gw = Conv2dWeightGrad(self.settings, w.shape[2:])(x, grad) if need[1] else None
        return (gx, gw) if len(need) == 2 else (gx, gw, gb)


class Conv2dReluPool(Gate):
    """y = max(0, x ⋆ w + b), then the largest value of each window; only that is kept.

    A window's value is above 0 exactly if the element that its gradient goes to is: relu's part of
    the backward pass looks at y, a quarter as large as the convolution's value for 2x2 windows.
    Local gradients: `MaxPool2d`'s, then `Conv2dRelu`'s. Shapes: as these.
    """

    __slots__ = ("argmax", "pool", "settings", "size")
    saved_from = (0, 1, OUT)

    def __init__(self, settings, pool):
        self.settings, self.pool = settings, pool

    def forward(self, x, w, b=None):
        room = backend_for(x)
        above = room.conv2d(x, w, b, self.settings, relu=True)
        self.size = above.shape[2:]
        y, self.argmax = room.max_pool2d(above, self.pool)
        self.saved = x, w, y
        return y

    def backward(self, grad):
        x, w, y = self.saved
        need = self.needs_grad
        grad, gb = relu_gradient(grad, y, len(need) == 3 and need[2])
        grad = MaxPool2dGrad(self.pool, self.argmax, self.size)(grad)
        gx = Conv2dInputGrad(self.settings, x.shape[2:])(grad, w) if need[0] else None
        gw = Conv2dWeightGrad(self.settings, w.shape[2:])(x, grad) if need[1] else None
        return (gx, gw) if len(need) == 2 else (gx, gw, gb)


class LinearRelu(Gate):
    """y = max(0, x W^T + b). Local gradients: those of `Linear` where y > 0. Shapes: as `Linear`."""

    __slots__ = ()
    saved_from = (0, 1, OUT)

    def forward(self, x, w, b=None):
        y = backend_for(x).matmul(x, w.T, b, relu=True)
        self.saved = x, w, y
        return y

    def backward(self, grad):
        x, w, y = self.saved
        need = self.needs_grad
        grad, gb = relu_gradient(grad, y, len(need) == 3 and need[2])
        gx = Matmul()(grad, w) if need[0] else None
        gw = Matmul()(swap_last(grad), x) if need[1] else None
        return (gx, gw) if len(need) == 2 else (gx, gw, gb)


class AddRelu(BinaryGate):
    """y = max(0, a + b), for a and b of one shape: the end of a residual block.

    Local gradients: 1 and 1 where y > 0, else 0: relu's part of the gradient goes to both.
    """

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, a, b):
        y = backend_for(a).add_relu(a, b)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        through = ReluGrad(array_of(y))(grad)
        return through, through
