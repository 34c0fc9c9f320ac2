"""Gates under the losses."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import OUT, Gate, UnaryGate, zero_dim
from tinygrad_cv.engine.masking import below_mask
from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.gates.activation import Hardtanh
from tinygrad_cv.gates.chain import Keep, array_of, chain, quiet
from tinygrad_cv.gates.choice import Clamp
from tinygrad_cv.gates.exponential import Exp, Log, Log1p
from tinygrad_cv.gates.kernels import room_for
from tinygrad_cv.gates.reduction import Sum, largest
from tinygrad_cv.gates.shape import Reshape


class LogSoftmax(UnaryGate):
    """y = x - log Σ exp(x) along one dimension (None: of a 0-d x), the largest x subtracted first.

    Local gradient: gx = grad - softmax(x) Σ grad. A row of minus infinities gives NaN.
    Shapes: x any; y as x.
    """

    __slots__ = ("dim",)
    saved_from = (OUT,)

    def __init__(self, dim):
        self.dim = dim

    @quiet
    def forward(self, x):
        room = room_for(x) if self.dim == x.ndim - 1 and x.shape[-1] else None
        if room is not None:
            y = room.log_softmax(x)
            self.saved = (y,)
            return y
        shifted = x - largest(x, None if self.dim is None else (self.dim,))
        y = shifted - np.log(np.exp(shifted).sum(axis=self.dim, keepdims=True))
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        if self.dim == y.ndim - 1 and not below_mask.get():
            room = room_for(grad)
            if room is not None:
                return (room.log_softmax_backward(grad, y),)
        total = Sum(None if self.dim is None else (self.dim,), keepdims=True)(grad)
        return (grad - chain(total, Exp()(y)),)


class CrossEntropy(UnaryGate):
    """y = Σ f L / Σ f ("mean"), Σ f L ("sum") or f L ("none") with L = -log softmax(x)[label].

    f is the label's weight, 1 without weights, 0 where the label is to be ignored.
    Local gradient: f (softmax(x) - onehot(label)), over Σ f for the mean; 0 where Σ f is 0.
    Shapes: x (N, K), labels (N,) of int64, weight (K,) or None; y () or (N,).
    """

    __slots__ = ("factor", "ignore_index", "labels", "p", "reduction", "total", "weight")
    saved_from = (0,)

    def __init__(self, labels, weight, ignore_index, reduction):
        self.labels, self.weight = labels, weight
        self.ignore_index, self.reduction = ignore_index, reduction

    @quiet
    def forward(self, x):
        self.saved = (x,)
        losses, self.factor, self.p = backend_for(x).cross_entropy(
            x, self.labels, self.weight, self.ignore_index
        )
        self.total = x.dtype.type(1)
        if self.reduction == "none":
            return losses
        total = losses.sum()
        if self.reduction == "mean":
            self.total = self.factor.sum()
            total /= self.total
        return total

    @quiet
    def backward(self, grad):
        (x,) = self.saved
        share = _inverse(self.total)
        if not isinstance(grad, Tensor):
            args = self.p, self.labels, self.ignore_index, self.factor
            return (backend_for(x).cross_entropy_backward(zero_dim(grad * share), *args),)
        used = self.labels != self.ignore_index
        onehot = self.labels[:, None] == np.arange(x.shape[1], like=self.labels)
        onehot = onehot.astype(self.p.dtype)
        rows = Reshape((-1, 1))(grad * (self.factor * share))
        return (chain(rows, Keep(used[:, None])(Exp()(LogSoftmax(1)(x)) - onehot)),)


def _inverse(total):
    """1 / total, and 0 for 0: the mean of nothing is flat."""
    if isinstance(total, np.floating):
        return 1 / total if total else total
    return np.where(total == 0, total, 1 / total)  # a GPU's number, which the host would wait for


class Pick(UnaryGate):
    """y[n] = x[n, labels[n]] for rows of scores.

    Local gradient: grad goes to the label's column; the others get 0.
    Shapes: x (N, K), labels (N,) of ints; y (N,).
    """

    __slots__ = ("labels", "x_shape")

    def __init__(self, labels):
        self.labels = labels

    def forward(self, x):
        self.saved = ()
        self.x_shape = x.shape
        return x[np.arange(len(self.labels), like=x), self.labels]

    def backward(self, grad):
        return (_PickGrad(self.labels, self.x_shape)(grad),)


class _PickGrad(UnaryGate):
    """gx = zeros with grad[n] at [n, labels[n]]: the transpose of Pick."""

    __slots__ = ("labels", "shape")

    def __init__(self, labels, shape):
        self.labels, self.shape = labels, shape

    def forward(self, grad):
        self.saved = ()
        gx = np.zeros(self.shape, grad.dtype, like=grad)
        gx[np.arange(len(self.labels), like=grad), self.labels] = grad
        return gx

    def backward(self, gg):
        return (Pick(self.labels)(gg),)


class SmoothL1(UnaryGate):
    """y = x^2 / (2 beta) where |x| < beta, |x| - beta / 2 elsewhere.

    Local gradient: x / beta, cut off at -1 and 1 (there its own slope is 0); the sign of x for
    beta = 0, which is 0 at 0.
    Source: Girshick 2015.
    """

    __slots__ = ("beta",)
    saved_from = (0,)

    def __init__(self, beta):
        self.beta = beta

    def forward(self, x):
        self.saved = (x,)
        size = np.abs(x)
        if self.beta == 0:
            return size
        return np.where(size < self.beta, x * x * (0.5 / self.beta), size - 0.5 * self.beta)

    def backward(self, grad):
        (x,) = self.saved
        if self.beta == 0:
            return (grad * np.sign(array_of(x)),)
        return (chain(grad, Hardtanh(-1, 1)(x / self.beta)),)


class BinaryCrossEntropy(Gate):
    """y = -(t log x + (1 - t) log(1 - x)) for probabilities x, logarithms cut off at -100.

    Local gradients: gx = (x - t) / (x (1 - x)), the denominator at least 1e-12;
    gt = log(1 - x) - log x, cut off as in the value.
    Shapes: x, t equal; y as x.
    """

    __slots__ = ()
    saved_from = (0, 1)

    @quiet
    def forward(self, x, t):
        self.saved = x, t
        return -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log1p(-x), -100))

    def backward(self, grad):
        x, t = self.saved
        need_x, need_t = self.needs_grad
        gx = gt = None
        if need_x:
            gx = chain(grad, (x - t) / Clamp(1e-12, None)(x * (1 - x)))
        if need_t:
            gt = chain(grad, Clamp(-100, None)(Log1p()(-x)) - Clamp(-100, None)(Log()(x)))
        return gx, gt
