"""Normalisation: values brought to mean 0 and variance 1 over some dimensions."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.engine.gate import Gate, UnaryGate
from tinygrad_cv.gates.arithmetic import PowScalar
from tinygrad_cv.gates.broadcast import SumTo
from tinygrad_cv.gates.chain import quiet
from tinygrad_cv.gates.reduction import Mean, Sum


def statistics(x, axes, eps):
    """Mean and 1 / sqrt(variance + eps) over the axes, which are kept with length 1."""
    count = max(int(np.prod([x.shape[a] for a in axes])), 1)
    mean = x.sum(axis=axes, keepdims=True) / count
    centred = x - mean
    variance = np.square(centred, out=centred).sum(axis=axes, keepdims=True) / count
    return mean, 1 / np.sqrt(variance + eps)


class Standardize(UnaryGate):
    """y = (x - mean) r over the axes, r = 1 / sqrt(variance + eps).

    Local gradient: gx = r (grad - mean(grad) - y mean(grad y)).
    Shapes: x any; y as x. `stats` are mean and r where they are known already.
    """

    __slots__ = ("axes", "eps", "stats")
    saved_from = (0,)

    def __init__(self, axes, eps, stats=None):
        self.axes, self.eps, self.stats = axes, eps, stats

    @quiet
    def forward(self, x):
        self.saved = (x,)
        if self.stats is None:
            self.stats = statistics(x, self.axes, self.eps)
        mean, r = self.stats
        y = x - mean
        y *= r
        return y

    def backward(self, grad):
        (x,) = self.saved
        return (StandardizeGrad(self.axes, self.eps, self.stats)(grad, x),)


class StandardizeGrad(Gate):
    """The local gradient of `Standardize` applied to g: J(x) g, J symmetric; linear in g.

    Local gradients, with J and y = Standardize(x) at x and sums Σ over the axes of length n:
    to g, J v; to x, -(r / n) (y Σ(v J g) + J v Σ(g y) + J g Σ(v y)) for the upstream v.
    """

    __slots__ = ("axes", "eps", "stats")
    saved_from = (0, 1)

    def __init__(self, axes, eps, stats):
        self.axes, self.eps, self.stats = axes, eps, stats

    @quiet
    def forward(self, g, x):
        self.saved = g, x
        mean, r = self.stats
        count = max(int(np.prod([x.shape[a] for a in self.axes])), 1)
        y = x - mean
        y *= r
        along = (g * y).sum(axis=self.axes, keepdims=True) / count
        y *= -along
        y += g
        y -= g.sum(axis=self.axes, keepdims=True) / count
        y *= r
        return y

    def total(self, values):
        """Σ over the axes, which are kept with length 1."""
        return Sum(self.axes, True)(values)

    def backward(self, v):
        g, x = self.saved
        need_g, need_x = self.needs_grad
        jv = StandardizeGrad(self.axes, self.eps, self.stats)(v, x)
        gx = None
        if need_x:
            jg = StandardizeGrad(self.axes, self.eps, self.stats)(g, x)
            y = Standardize(self.axes, self.eps, self.stats)(x)
            parts = y * self.total(v * jg) + jv * self.total(g * y) + jg * self.total(v * y)
            count = max(int(np.prod([x.shape[a] for a in self.axes])), 1)
            gx = parts * (inverse_std(x, self.axes, self.eps) * (-1.0 / count))
        return jv if need_g else None, gx


class AffineNorm(Gate):
    """y = Standardize(x) w + b in one pass: only x is kept.

    Local gradients: gx = StandardizeGrad(grad w, x); gw = Σ grad Standardize(x); gb = Σ grad.
    Shapes: x any; w, b with as many dimensions, of length 1 or that of x; y as x.
    """

    __slots__ = ("axes", "b_shape", "eps", "stats")
    saved_from = (0, 1)

    def __init__(self, axes, eps, stats=None):
        self.axes, self.eps, self.stats = axes, eps, stats

    @quiet
    def forward(self, x, w, b):
        self.saved = x, w
        self.b_shape = b.shape
        if self.stats is None:
            self.stats = statistics(x, self.axes, self.eps)
        mean, r = self.stats
        y = x - mean
        if r.shape == w.shape:
            y *= r * w
        else:
            y *= r
            y *= w
        y += b
        return y

    def backward(self, grad):
        x, w = self.saved
        need_x, need_w, need_b = self.needs_grad
        gx = gw = gb = None
        if need_x:
            gx = StandardizeGrad(self.axes, self.eps, self.stats)(grad * w, x)
        if need_w:
            gw = SumTo(w.shape)(grad * Standardize(self.axes, self.eps, self.stats)(x))
        if need_b:
            gb = SumTo(self.b_shape)(grad)
        return gx, gw, gb


def inverse_std(x, axes, eps):
    """1 / sqrt(variance + eps) over the axes, from gates that can be differentiated again."""
    centred = x - Mean(axes, True)(x)
    return PowScalar(-0.5)(Mean(axes, True)(centred * centred) + eps)
