"""Convolution gates: values and local gradients. Kernels are in backends, argument checks in functional."""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import Gate
from tinygrad_cv.gates.channel import ChannelSum


class _ConvGate(Gate):
    """Convolution is linear in each operand, so these three gates are each other's gradients."""

    __slots__ = ("settings", "size")  # Conv2dSettings; rows and columns of the result
    saved_from = (0, 1)

    def __init__(self, settings, size=None):
        self.settings, self.size = settings, size


class Conv2d(_ConvGate):
    """y = x ⋆ w + b: cross-correlation (the kernel is not flipped), NCHW with OIHW.

    Local gradients: gx = Conv2dInputGrad(grad, w), gw = Conv2dWeightGrad(x, grad), gb = grad summed
    over images, rows and columns.
    Shapes: x (N, C, H, W); w (O, C/groups, KH, KW); b (O,) or absent; y (N, O, OH, OW),
    OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, OW alike.
    Source: Dumoulin & Visin 2016, relationship 15.
    """

    __slots__ = ()

    def forward(self, x, w, b=None):
        self.saved = x, w
        return backend_for(x).conv2d(x, w, b, self.settings)

    def backward(self, grad):
        x, w = self.saved
        need = self.needs_grad  # images need none: half the work of layer one
        gx = Conv2dInputGrad(self.settings, x.shape[2:])(grad, w) if need[0] else None
        gw = Conv2dWeightGrad(self.settings, w.shape[2:])(x, grad) if need[1] else None
        if len(need) == 2:
            return gx, gw
        return gx, gw, ChannelSum()(grad) if need[2] else None


class Conv2dInputGrad(_ConvGate):
    """gx: the gradient of Conv2d with respect to its input, linear in grad and w."""

    __slots__ = ()

    def forward(self, grad, w):
        self.saved = grad, w
        return backend_for(grad).conv2d_backward_input(grad, w, self.size, self.settings)

    def backward(self, gg):
        grad, w = self.saved
        need_grad, need_w = self.needs_grad
        return (
            Conv2d(self.settings)(gg, w) if need_grad else None,
            Conv2dWeightGrad(self.settings, w.shape[2:])(gg, grad) if need_w else None,
        )


class Conv2dWeightGrad(_ConvGate):
    """gw: the gradient of Conv2d with respect to its weight, linear in x and grad."""

    __slots__ = ()

    def forward(self, x, grad):
        self.saved = x, grad
        return backend_for(x).conv2d_backward_weight(x, grad, self.size, self.settings)

    def backward(self, gg):
        x, grad = self.saved
        need_x, need_grad = self.needs_grad
        return (
            Conv2dInputGrad(self.settings, x.shape[2:])(grad, gg) if need_x else None,
            Conv2d(self.settings)(x, gg) if need_grad else None,
        )
