"""Layer normalisation, by one kernel each way."""

from __future__ import annotations

import math

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import Gate
from tinygrad_cv.gates.broadcast import SumTo
from tinygrad_cv.gates.kernels import is_array
from tinygrad_cv.gates.norm import Standardize, StandardizeGrad


class LayerNorm(Gate):
    """y = (x - mean) r w + b over the last dimensions, r = 1 / sqrt(variance + eps).

    Local gradients: with s = (x - mean) r and n values that share a mean:
    gx = r (grad w - Σ grad w / n - s Σ(grad w s) / n), gw = Σ grad s, gb = Σ grad.
    Shapes: x (…, *shape) with at least one value; w, b of that shape or None; y as x.
    Source: Ba, Kiros & Hinton 2016.
    """

    __slots__ = ("eps", "shape", "stats")
    saved_from = (0, 1)

    def __init__(self, shape, eps):
        self.shape, self.eps = shape, eps

    def rows(self, x):
        """x as (R, L): the dimensions that share a mean as one, all others as one."""
        return x.reshape(-1, math.prod(self.shape))

    def forward(self, x, w, b):
        self.saved = x, w
        w, b = (None if values is None else values.reshape(-1) for values in (w, b))
        y, *self.stats = backend_for(x).layer_norm(self.rows(x), w, b, self.eps)
        return y.reshape(x.shape)

    def backward(self, grad):
        x, w = self.saved
        if not is_array(grad):
            return self.recorded_backward(grad, x, w)
        flat = None if w is None else w.reshape(-1)
        room = backend_for(x)
        gx, gw, gb = room.layer_norm_backward(self.rows(grad), self.rows(x), flat, *self.stats)
        return gx.reshape(x.shape), gw.reshape(self.shape), gb.reshape(self.shape)

    def recorded_backward(self, grad, x, w):
        """The same from gates that can be differentiated again."""
        kept = (*x.shape[: -len(self.shape)], *[1] * len(self.shape))
        stats = tuple([values.reshape(kept) for values in self.stats])
        settings = tuple(range(x.ndim - len(self.shape), x.ndim)), self.eps, stats
        need_x, need_w, need_b = self.needs_grad
        scaled = grad if w is None else grad * w
        return (
            StandardizeGrad(*settings)(scaled, x) if need_x else None,
            SumTo(self.shape)(grad * Standardize(*settings)(x)) if need_w else None,
            SumTo(self.shape)(grad) if need_b else None,
        )
