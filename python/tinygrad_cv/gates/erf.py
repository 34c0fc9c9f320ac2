"""The error function: its values, since NumPy has none, and its gate."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cv.engine.gate import UnaryGate
from tinygrad_cv.gates.chain import chain, quiet
from tinygrad_cv.gates.exponential import Exp

# Rational approximations of Cody 1969, "Rational Chebyshev approximations for the error function",
# Math. Comp. 23, with the coefficients of his program CALERF (netlib, specfun); highest power first.
_NEAR_P = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_NEAR_Q = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
_FAR_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_FAR_Q = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_BORDER = 0.46875  # between the two
_BLOCK = 16384  # elements at a time, so that what lies between the steps stays in the cache
_ONE = 6.0  # from here on erf is 1 to the last bit of a float64


def _ratio(p, q, t):
    """The polynomial p at t over the polynomial q."""
    return _horner(p, t) / _horner(q, t)


def _horner(coefficients, t):
    y = t * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        y *= t
        y += coefficient
    return y


def _erf(x):
    size = np.minimum(np.abs(x), _ONE)
    square = size * size
    near = x * _ratio(_NEAR_P, _NEAR_Q, square)
    far = np.copysign(1 - np.exp(-square) * _ratio(_FAR_P, _FAR_Q, size), x)
    return np.where(size <= _BORDER, near, far)


@quiet
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, elementwise, to 1e-15 in float64."""
    if x.dtype.itemsize < 4:
        return erf(x.astype(np.float32)).astype(x.dtype)
    if x.size <= _BLOCK or not isinstance(x, np.ndarray):
        return _erf(x)
    y = np.empty(x.size, x.dtype)
    flat = x.reshape(-1)
    for start in range(0, x.size, _BLOCK):
        y[start : start + _BLOCK] = _erf(flat[start : start + _BLOCK])
    return y.reshape(x.shape)


class Erf(UnaryGate):
    """y = erf x. Local gradient: 2 / sqrt(pi) exp(-x^2)."""

    __slots__ = ()
    saved_from = (0,)

    def forward(self, x):
        self.saved = (x,)
        return erf(x)

    def backward(self, grad):
        (x,) = self.saved
        return (chain(grad, Exp()(-(x * x)) * (2 / math.sqrt(math.pi))),)
