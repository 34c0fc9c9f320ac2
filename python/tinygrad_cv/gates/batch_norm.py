"""Batch normalisation with the batch's own statistics, by one kernel each way."""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import Gate
from tinygrad_cv.gates.activation import ReluGrad
from tinygrad_cv.gates.chain import array_of
from tinygrad_cv.gates.channel import ChannelSum, per_channel
from tinygrad_cv.gates.kernels import is_array
from tinygrad_cv.gates.norm import Standardize, StandardizeGrad


class BatchNorm(Gate):
    """y = (x - mean) r w + b for each channel, r = 1 / sqrt(variance + eps); max(0, y) with `relu`.

    Local gradients: with g = grad (where y > 0) and s = (x - mean) r, n values in a channel:
    gx = r w (g - Σ g / n - s Σ(g s) / n), gw = Σ g s, gb = Σ g.
    Shapes: x (N, C, …) with at least one value in a channel; w, b (C,) or None; y as x. After
    `forward`, `stats` are mean, variance (biased) and r.
    Source: Ioffe & Szegedy 2015, section 3.
    """

    __slots__ = ("eps", "relu", "stats")
    saved_from = (0, 1, 2)

    def __init__(self, eps, relu=False):
        self.eps, self.relu = eps, relu

    def forward(self, x, w, b):
        self.saved = x, w, b
        y, *self.stats = backend_for(x).batch_norm(x, w, b, self.eps, self.relu)
        return y

    def backward(self, grad):
        x, w, b = self.saved
        mean, _, root = self.stats
        if is_array(grad):
            return backend_for(x).batch_norm_backward(grad, x, w, b, mean, root, self.relu)
        return self.recorded_backward(grad, x, w)

    def recorded_backward(self, grad, x, w):
        """The same from gates that can be differentiated again."""
        mean, _, root = (per_channel(values, x.ndim) for values in self.stats)
        if self.relu:
            values, scale, shift = (array_of(value) for value in self.saved)
            y = backend_for(values).batch_norm(values, scale, shift, self.eps, True)[0]
            grad = ReluGrad(y)(grad)
        settings = (0, *range(2, x.ndim)), self.eps, (mean, root)
        need_x, need_w, need_b = self.needs_grad
        scaled = grad if w is None else grad * per_channel(w, x.ndim)
        return (
            StandardizeGrad(*settings)(scaled, x) if need_x else None,
            ChannelSum()(grad * Standardize(*settings)(x)) if need_w else None,
            ChannelSum()(grad) if need_b else None,
        )
