"""Distances between all rows of two matrices, in batches."""

from __future__ import annotations

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.engine.gate import OUT, Gate, UnaryGate
from tinygrad_cv.gates.broadcast import Expand
from tinygrad_cv.gates.chain import Over, array_of, quiet
from tinygrad_cv.gates.matmul import Matmul, swap_last
from tinygrad_cv.gates.reduction import Sum


def _pairwise(a, b, metric):
    """The kernel's distances, batch by batch."""
    kernel = backend_for(a).pairwise_distance
    if a.ndim == 2:
        return kernel(a, b, metric)
    y = np.empty((*a.shape[:-1], b.shape[-2]), a.dtype, like=a)
    for index in np.ndindex(a.shape[:-2]):
        y[index] = kernel(a[index], b[index], metric)
    return y


class EuclideanDistance(Gate):
    """y[..., i, j] = |a[..., i, :] - b[..., j, :]|, the differences taken before they are squared.

    Local gradients: (a_i - b_j) / y and its negative; 0 for equal rows.
    Shapes: a (..., N, D), b (..., M, D) with the same leading dimensions; y (..., N, M).
    """

    __slots__ = ()
    saved_from = (0, 1, OUT)

    def forward(self, a, b):
        y = np.sqrt(_pairwise(a, b, "sqeuclidean"))
        self.saved = a, b, y
        return y

    def backward(self, grad):
        a, b, y = self.saved
        need_a, need_b = self.needs_grad
        weight = Over()(grad, y)
        return (
            pull(weight, a, b) if need_a else None,
            pull(swap_last(weight), b, a) if need_b else None,
        )


def pull(weight, a, b):
    """Σ_j weight[i, j] (a_i - b_j), as two products instead of all differences."""
    # Counted from the middle of b, so that rows far from 0 lose nothing to cancellation.
    middle = array_of(b).mean(axis=-2, keepdims=True) if b.shape[-2] else 0.0
    total = Expand(a.shape)(Sum((weight.ndim - 1,), True)(weight))
    return total * (a - middle) - Matmul()(weight, b - middle)


class ManhattanDistance(Gate):
    """y[..., i, j] = Σ_k |a[..., i, k] - b[..., j, k]|.

    Local gradients: the signs of the differences, which are 0 where elements are equal.
    Shapes: a (..., N, D), b (..., M, D) with the same leading dimensions; y (..., N, M).
    """

    __slots__ = ()
    saved_from = (0, 1)

    def forward(self, a, b):
        self.saved = a, b
        return _pairwise(a, b, "l1")

    def backward(self, grad):
        a, b = map(array_of, self.saved)
        need_a, need_b = self.needs_grad
        return (
            SignPull(a, b)(grad) if need_a else None,
            SignPull(b, a)(swap_last(grad)) if need_b else None,
        )


class _Signs(UnaryGate):
    """Products with the signs of all differences between rows, which are never held all at once."""

    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b

    def rows(self):
        """For each row of a its index, and the signs of its differences from all rows of b."""
        for index in np.ndindex(self.a.shape[:-1]):
            yield index, np.sign(self.a[index] - self.b[index[:-1]])


class SignPull(_Signs):
    """y_i = Σ_j x[i, j] sign(a_i - b_j). Linear in x; its transpose is SignDot."""

    __slots__ = ()

    @quiet
    def forward(self, x):
        self.saved = ()
        y = np.empty(self.a.shape, x.dtype, like=x)
        for index, signs in self.rows():
            y[index] = x[index] @ signs
        return y

    def backward(self, grad):
        return (SignDot(self.a, self.b)(grad),)


class SignDot(_Signs):
    """y[i, j] = x_i · sign(a_i - b_j). Linear in x; its transpose is SignPull."""

    __slots__ = ()

    @quiet
    def forward(self, x):
        self.saved = ()
        y = np.empty((*self.a.shape[:-1], self.b.shape[-2]), x.dtype, like=x)
        for index, signs in self.rows():
            y[index] = signs @ x[index]
        return y

    def backward(self, grad):
        return (SignPull(self.a, self.b)(grad),)
