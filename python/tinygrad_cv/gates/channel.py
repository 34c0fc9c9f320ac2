"""Channels of (N, C, …): sums over all else, which are the gradients of a bias."""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import Gate, UnaryGate
from tinygrad_cv.gates.activation import ReluGrad
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.chain import array_of
from tinygrad_cv.gates.kernels import is_array
from tinygrad_cv.gates.shape import Reshape


def per_channel(values, ndim):
    """(C,) as (1, C, 1, …), to be broadcast."""
    return Reshape((1, values.shape[0], *[1] * (ndim - 2)))(values)


class ChannelSum(UnaryGate):
    """y[c] = x[:, c] summed. Local gradient: gx = grad, broadcast. Shapes: x (N, C, …), y (C,)."""

    __slots__ = ("x_shape",)

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return backend_for(x).channel_sum(x)

    def backward(self, grad):
        return (Expand(self.x_shape)(per_channel(grad, len(self.x_shape))),)


class ChannelAffine(Gate):
    """y = x s + t for each channel: batch normalisation with known statistics.

    `clips`: max(0, y), for values that nothing is differentiated through.

    Local gradients: gx = grad s, gs = Σ grad x, gt = Σ grad over all but the channels.
    Shapes: x (N, C, …); s, t (C,); y as x.
    """

    __slots__ = ("clips",)
    saved_from = (0, 1)

    def __init__(self, clips=False):
        self.clips = clips

    def forward(self, x, s, t):
        self.saved = x, s
        return backend_for(x).channel_affine(x, s, t, self.clips)

    def backward(self, grad):
        x, s = self.saved
        need_x, need_s, need_t = self.needs_grad
        return (
            grad * per_channel(s, x.ndim) if need_x else None,
            ChannelSum()(grad * x) if need_s else None,
            ChannelSum()(grad) if need_t else None,
        )


def relu_gradient(grad, y, summed):
    """The gradient that relu lets through, y its output; and that of the bias, if `summed`."""
    y = array_of(y)
    if summed and is_array(grad):
        return backend_for(grad).relu_channel_sum(grad, y)
    through = ReluGrad(y)(grad)
    return through, ChannelSum()(through) if summed else None
