"""Matrix products."""

from __future__ import annotations

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import BinaryGate, Gate
from tinygrad_cv.gates.broadcast import unbroadcast
from tinygrad_cv.gates.channel import ChannelSum
from tinygrad_cv.gates.shape import Permute


def swap_last(x):
    """x with its last two dimensions swapped, as a view."""
    return Permute((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))(x)


class Matmul(BinaryGate):
    """y = a b. Local gradients: ga = grad b^T, gb = a^T grad.

    Shapes: a (..., M, K), b (..., K, N), y (..., M, N); leading dimensions broadcast.
    """

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, a, b):
        self.saved = a, b
        return backend_for(a).matmul(a, b)

    def backward(self, grad):
        a, b = self.saved
        node_a, node_b = self.parents
        return (
            None if node_a is None else unbroadcast(Matmul()(grad, swap_last(b)), a.shape),
            None if node_b is None else unbroadcast(Matmul()(swap_last(a), grad), b.shape),
        )


class Linear(Gate):
    """y = x W^T + b, the bias added in the product's last write.

    Local gradients: gx = grad W, gW = grad^T x, gb = grad summed over the rows.
    Shapes: x (N, I), W (O, I), b (O,) or absent, y (N, O).
    """

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, x, w, b=None):
        self.saved = x, w
        return backend_for(x).matmul(x, w.T, b)

    def backward(self, grad):
        x, w = self.saved
        need = self.needs_grad
        gx = Matmul()(grad, w) if need[0] else None
        gw = Matmul()(swap_last(grad), x) if need[1] else None
        if len(need) == 2:
            return gx, gw
        return gx, gw, ChannelSum()(grad) if need[2] else None
