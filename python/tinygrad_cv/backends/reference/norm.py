"""Normalisation of channels in plain NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.backends.reference.arrays import check_floats

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array


def _along(values: Array | None, x: Array, otherwise: float) -> Array:
    """One number a channel, to be broadcast over x."""
    if values is None:
        values = np.full_like(x, otherwise, shape=(x.shape[1],))
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def _axes(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, relu: bool = False
) -> tuple[Array, Array, Array, Array]:
    """(x - mean) / sqrt(variance + eps) weight + bias."""
    check_floats("batch_norm", x=x)
    with np.errstate(all="ignore"):  # as the kernels: no warning
        mean = x.mean(axis=_axes(x))
        variance = np.square(x - _along(mean, x, 0)).mean(axis=_axes(x))
        root = 1 / np.sqrt(variance + x.dtype.type(eps))
        y = (x - _along(mean, x, 0)) * _along(root, x, 1) * _along(weight, x, 1)
        y += _along(bias, x, 0)
        return (np.maximum(y, 0) if relu else y), mean, variance, root


def batch_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    root: Array,
    relu: bool = False,
) -> tuple[Array, Array, Array]:
    """Ioffe & Szegedy 2015, section 3: the gradients of x, weight and bias."""
    check_floats("batch_norm_backward", grad=grad, x=x)
    with np.errstate(all="ignore"):
        standard = (x - _along(mean, x, 0)) * _along(root, x, 1)
        if relu:
            y = standard * _along(weight, x, 1) + _along(bias, x, 0)
            grad = np.where(y <= 0, x.dtype.type(0), grad)
        gb = grad.sum(axis=_axes(x))
        gw = (grad * standard).sum(axis=_axes(x))
        count = x.size // x.shape[1]
        gx = grad - _along(gb, x, 0) / count - standard * _along(gw, x, 0) / count
        return gx * _along(root, x, 1) * _along(weight, x, 1), gw, gb


def channel_affine(x: Array, scale: Array, shift: Array, relu: bool = False) -> Array:
    """x scale + shift."""
    check_floats("channel_affine", x=x, scale=scale, shift=shift)
    with np.errstate(all="ignore"):
        y = x * _along(scale, x, 1) + _along(shift, x, 0)
        return np.maximum(y, 0) if relu else y


def layer_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(variance + eps) weight + bias along each row."""
    check_floats("layer_norm", x=x)
    with np.errstate(all="ignore"):
        mean = x.mean(axis=1)
        variance = np.square(x - mean[:, None]).mean(axis=1)
        root = 1 / np.sqrt(variance + x.dtype.type(eps))
        y = (x - mean[:, None]) * root[:, None]
        y = y if weight is None else y * weight
        return (y if bias is None else y + bias), mean, root


def layer_norm_backward(
    grad: Array, x: Array, weight: Array | None, mean: Array, root: Array
) -> tuple[Array, Array, Array]:
    """Ba, Kiros & Hinton 2016, section 3: the gradients of x, weight and bias."""
    check_floats("layer_norm_backward", grad=grad, x=x)
    with np.errstate(all="ignore"):
        standard = (x - mean[:, None]) * root[:, None]
        inner = grad if weight is None else grad * weight
        along = (inner * standard).mean(axis=1)[:, None]
        gx = inner - inner.mean(axis=1)[:, None] - standard * along
        return gx * root[:, None], (grad * standard).sum(axis=0), grad.sum(axis=0)
