"""Activation gates. The kinks' subgradients are PyTorch's."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cv.engine.gate import OUT, BinaryGate, UnaryGate
from tinygrad_cv.engine.masking import below_mask, maybe_any
from tinygrad_cv.engine.shortcuts import shortcut
from tinygrad_cv.gates.broadcast import unbroadcast
from tinygrad_cv.gates.chain import Keep, ZeroOr, array_of, chain, quiet
from tinygrad_cv.gates.choice import Where
from tinygrad_cv.gates.erf import Erf, erf
from tinygrad_cv.gates.exponential import Exp
from tinygrad_cv.gates.kernels import ONE_FUNCTION, kernel_gradient, room_for
from tinygrad_cv.gates.rounding import Abs


class Relu(UnaryGate):
    """y = max(0, x), elementwise; NaN stays NaN.

    Local gradient: 1 where y > 0, else 0 (at the kink x = 0 as well).
    Shapes: x any; y as x. Source: Nair & Hinton 2010.
    """

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        room = room_for(x)
        y = np.maximum(x, x.dtype.type(0)) if room is None else room.activation("relu", x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        gx = kernel_gradient("relu", grad, y)
        return (ReluGrad(array_of(y))(grad) if gx is None else gx,)


class ReluGrad(UnaryGate):
    """gx = grad where y = relu(x) is above 0 or NaN, exactly 0 elsewhere: its own transpose."""

    __slots__ = ("y",)

    def __init__(self, y):
        self.y = y

    def forward(self, grad):
        self.saved = ()
        room = room_for(grad)
        if room is None or grad.dtype != self.y.dtype:
            return np.where(self.y <= 0, grad.dtype.type(0), grad)
        return room.activation_backward("relu", grad, self.y)

    def backward(self, gg):
        return (ReluGrad(self.y)(gg),)


class Sigmoid(UnaryGate):
    """y = 1 / (1 + exp(-x)), elementwise.

    Local gradient: y (1 - y).
    Shapes: x any; y as x. Kinks: none.
    Source: CS231n notes, "Backpropagation, Intuitions".
    """

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        room = room_for(x)
        y = sigmoid(x) if room is None else room.activation("sigmoid", x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        gx = kernel_gradient("sigmoid", grad, y)
        if gx is not None:
            return (gx,)
        return (chain(grad, y * (1 - y)),)


@quiet
def sigmoid(x):
    """1 / (1 + e^-x); where that overflows, 0."""
    return 1 / (1 + np.exp(-x))


class Tanh(UnaryGate):
    """y = tanh x, elementwise. Local gradient: 1 - y^2."""

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        room = room_for(x, ONE_FUNCTION)
        y = np.tanh(x) if room is None else room.activation("tanh", x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        return (tanh_backward(grad, y),)


@shortcut
def tanh_backward(grad, y):
    """grad (1 - y^2), which is 0 below a mask where grad is."""
    gx = kernel_gradient("tanh", grad, y, least=ONE_FUNCTION)
    if gx is not None:
        return gx
    if below_mask.get():
        return ZeroOr()(grad, 1 - y * y)
    return grad - grad * y * y  # a number on the left costs twice as much as an array


class LeakyRelu(UnaryGate):
    """y = x where x > 0, slope x elsewhere.

    Local gradient: 1 where x > 0, else the slope (at the kink x = 0 as well).
    Source: Maas, Hannun & Ng 2013.
    """

    __slots__ = ("slope",)
    saved_from = (0,)

    def __init__(self, slope):
        self.slope = slope

    def forward(self, x):
        self.saved = (x,)
        room = room_for(x)
        return x * self.slopes(x) if room is None else room.activation("leaky_relu", x, self.slope)

    def slopes(self, x):
        """1 where x > 0, else the slope."""
        return np.where(x > 0, x.dtype.type(1), x.dtype.type(self.slope))

    def backward(self, grad):
        (x,) = self.saved
        gx = kernel_gradient("leaky_relu", grad, x, self.slope)
        return (grad * self.slopes(array_of(x)) if gx is None else gx,)


class Prelu(BinaryGate):
    """y = x where x > 0, w x elsewhere: a leaky relu whose slope is learned.

    Local gradients: to x 1 or w, to w x or 0 (at the kink x = 0: w and 0).
    Shapes: x any, w broadcasts to it; y as x. Source: He et al. 2015.
    """

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, x, w):
        self.saved = x, w
        return np.where(x > 0, x, w * x)

    def backward(self, grad):
        x, w = self.saved
        node_x, node_w = self.parents
        above = array_of(x) > 0
        return (
            None if node_x is None else Where(above)(grad, chain(grad, w)),
            None if node_w is None else unbroadcast(chain(Keep(~above)(grad), x), w.shape),
        )


class Elu(UnaryGate):
    """y = scale x where x > 0, scale alpha (e^(x / width) - 1) elsewhere: elu, selu and celu.

    Local gradient: scale where x > 0, else scale alpha / width e^(x / width).
    Source: Clevert, Unterthiner & Hochreiter 2015; Klambauer et al. 2017; Barron 2017.
    """

    __slots__ = ("alpha", "scale", "width")
    saved_from = (0,)

    def __init__(self, alpha, scale=1.0, width=1.0):
        self.alpha, self.scale, self.width = alpha, scale, width

    @quiet
    def forward(self, x):
        self.saved = (x,)
        below = np.expm1(np.minimum(x, 0) / self.width) * (self.alpha * self.scale)
        return np.where(x > 0, x * self.scale, below)

    def backward(self, grad):
        (x,) = self.saved
        above = array_of(x) > 0
        # At 0 the slope is that of below, but its own slope, as in PyTorch, is 0.
        under = ~(array_of(x) >= 0)
        slope = Exp()(Keep(under)(x) / self.width) * (self.alpha * self.scale / self.width)
        return (chain(grad, Where(above)(self.scale, slope)),)


class Gelu(UnaryGate):
    """y = x F(x), F the standard normal distribution's, by the error function.

    Local gradient: F(x) + x f(x) with its density f. Source: Hendrycks & Gimpel 2016.
    """

    __slots__ = ()
    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        room = room_for(x)
        return gelu(x) if room is None else room.activation("gelu", x)

    def backward(self, grad):
        (x,) = self.saved
        gx = kernel_gradient("gelu", grad, x)
        if gx is not None:
            return (gx,)
        below = 0.5 * (1 + Erf()(x * math.sqrt(0.5)))
        density = Exp()(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return (chain(grad, below + x * density),)


@quiet
def gelu(x):
    """x times the share of the normal distribution below it."""
    return x * (0.5 * (1 + erf(x * math.sqrt(0.5))))


class GeluTanh(UnaryGate):
    """y = x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), close to Gelu.

    Local gradient: (1 + t) / 2 + x (1 - t^2) / 2 du/dx, t = tanh u.
    Source: Hendrycks & Gimpel 2016.
    """

    __slots__ = ()
    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        room = room_for(x)
        return self.value(x) if room is None else room.activation("gelu_tanh", x)

    @quiet
    def value(self, x):
        """y in NumPy."""
        return 0.5 * x * (1 + np.tanh(self.inner(x)))

    def inner(self, x):
        return (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)

    def backward(self, grad):
        (x,) = self.saved
        gx = kernel_gradient("gelu_tanh", grad, x)
        if gx is not None:
            return (gx,)
        t = Tanh()(self.inner(x))
        slope = (x * x * (3 * 0.044715) + 1) * math.sqrt(2 / math.pi)
        return (chain(grad, 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope),)


class Silu(UnaryGate):
    """y = x s with s = sigmoid(x). Local gradient: s (1 + x (1 - s)).

    Source: Elfwing, Uchibe & Doya 2017; Ramachandran, Zoph & Le 2017.
    """

    __slots__ = ()
    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        room = room_for(x)
        return x * sigmoid(x) if room is None else room.activation("silu", x)

    def backward(self, grad):
        (x,) = self.saved
        gx = kernel_gradient("silu", grad, x)
        if gx is not None:
            return (gx,)
        s = Sigmoid()(x)
        return (chain(grad, s * (1 + x * (1 - s))),)


class Mish(UnaryGate):
    """y = x t with t = tanh(ln(1 + e^x)). Local gradient: t + x (1 - t^2) sigmoid(x).

    Source: Misra 2019.
    """

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return x * np.tanh(softplus(x))

    def backward(self, grad):
        (x,) = self.saved
        t = Tanh()(Softplus(1.0, math.inf)(x))
        return (chain(grad, t + x * (1 - t * t) * Sigmoid()(x)),)


def softplus(x):
    """ln(1 + e^x) without overflow; NumPy's logaddexp takes many times as long."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Softplus(UnaryGate):
    """y = ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    Local gradient: sigmoid(beta x), and 1 above the threshold. Source: Dugas et al. 2001.
    """

    __slots__ = ("beta", "threshold")
    saved_from = (0,)

    def __init__(self, beta, threshold):
        self.beta, self.threshold = beta, threshold

    @quiet
    def forward(self, x):
        self.saved = (x,)
        scaled = x * self.beta
        return np.where(scaled > self.threshold, x, softplus(scaled) / self.beta)

    def backward(self, grad):
        (x,) = self.saved
        over = array_of(x) * self.beta > self.threshold
        slope = Sigmoid()(x * self.beta)
        return (chain(grad, Where(over)(1.0, slope) if maybe_any(over) else slope),)


class LogSigmoid(UnaryGate):
    """y = ln sigmoid(x), without overflow. Local gradient: sigmoid(-x)."""

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return -softplus(-x)

    def backward(self, grad):
        (x,) = self.saved
        return (chain(grad, Sigmoid()(-x)),)


class Softsign(UnaryGate):
    """y = x / (1 + |x|). Local gradient: 1 / (1 + |x|)^2."""

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return x / (1 + np.abs(x))

    def backward(self, grad):
        (x,) = self.saved
        below = 1 + Abs()(x)
        return (chain(grad, 1 / (below * below)),)


class Relu6(UnaryGate):
    """y = min(max(x, 0), 6), elementwise; NaN stays NaN.

    Local gradient: 1 where 0 < y < 6, else 0 (at the two kinks as well).
    Shapes: x any; y as x. Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    """

    __slots__ = ()
    saved_from = (OUT,)

    def forward(self, x):
        room = room_for(x)
        y = np.clip(x, 0, 6) if room is None else room.activation("relu6", x)
        self.saved = (y,)
        return y

    def backward(self, grad):
        (y,) = self.saved
        gx = kernel_gradient("relu6", grad, y)
        if gx is not None:
            return (gx,)
        values = array_of(y)
        return (Keep(~((values <= 0) | (values >= 6)))(grad),)


class Hardtanh(UnaryGate):
    """y = min(max(x, low), high).

    Local gradient: 1 between the ends, else 0 (at the two kinks as well).
    """

    __slots__ = ("high", "inside", "low")

    def __init__(self, low, high):
        self.low, self.high = low, high

    def forward(self, x):
        self.saved = ()
        self.inside = ~((x <= self.low) | (x >= self.high))
        return np.clip(x, self.low, self.high)

    def backward(self, grad):
        return (Keep(self.inside)(grad),)


class Hardsigmoid(UnaryGate):
    """y = min(max(x / 6 + 1/2, 0), 1). Local gradient: 1/6 for -3 < x < 3, else 0."""

    __slots__ = ("inside",)

    def forward(self, x):
        self.saved = ()
        self.inside = (x > -3) & (x < 3)
        return np.clip(x + 3, 0, 6) / 6

    def backward(self, grad):
        return (Keep(self.inside)(grad / 6),)


class Hardswish(UnaryGate):
    """y = x min(max(x + 3, 0), 6) / 6.

    Local gradient: 0 for x <= -3, x / 3 + 1/2 between, 1 for x >= 3. Source: Howard et al. 2019.
    """

    __slots__ = ()
    saved_from = (0,)

    @quiet
    def forward(self, x):
        self.saved = (x,)
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, grad):
        (x,) = self.saved
        values = array_of(x)
        inside = (values > -3) & (values < 3)
        slope = Where(inside)(x / 3 + 0.5, (~(values <= -3)).astype(values.dtype))
        return (chain(grad, slope),)


class Threshold(UnaryGate):
    """y = x where x > threshold, one value elsewhere. Local gradient: 1 or 0."""

    __slots__ = ("above", "threshold", "value")

    def __init__(self, threshold, value):
        self.threshold, self.value = threshold, value

    def forward(self, x):
        self.saved = ()
        self.above = ~(x <= self.threshold)
        return np.where(self.above, x, x.dtype.type(self.value))

    def backward(self, grad):
        return (Keep(self.above)(grad),)
