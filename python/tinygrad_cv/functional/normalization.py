"""Normalisation over batches, channels, groups and neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.grad_mode import is_grad_enabled
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional import activation
from tinygrad_cv.functional.arithmetic import rsqrt
from tinygrad_cv.functional.methods import ints, require_float
from tinygrad_cv.functional.padding import pad
from tinygrad_cv.gates import norm as gates
from tinygrad_cv.gates.batch_norm import BatchNorm
from tinygrad_cv.gates.channel import ChannelAffine
from tinygrad_cv.gates.layer_norm import LayerNorm


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, per channel.

    Parameters
    ----------
    input : Tensor, shape (N, C, …), float
    running_mean, running_var : Tensor, shape (C,), or None
        Estimates that are used when not training, and moved towards the batch's when training
        (written in place).
    weight, bias : Tensor, shape (C,), optional
    training : bool
        Use the mean and variance of this batch.
    momentum : float
        How far the estimates move: running = (1 - momentum) running + momentum batch.
    eps : float
        Keeps the root away from 0.

    Raises
    ------
    ValueError
        Shapes that do not fit, one value per channel while training, or no estimates while not.

    Notes
    -----
    The batch is divided by the root of its biased variance (sum / n); the running variance gets the
    unbiased one (sum / (n - 1)).

    References
    ----------
    Ioffe & Szegedy 2015, "Batch normalization".
    """
    return normalize(input, running_mean, running_var, weight, bias, training, momentum, eps, False)


def normalize(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    relu: bool,
) -> Tensor:
    """`batch_norm`, with relu in the last write where a kernel does it."""
    where = "batch_norm"
    require_float(where, input)
    if input.ndim < 2:
        raise ValueError(f"{where}: input must have shape (N, C, …), got {input.shape}")
    channels = input.shape[1]
    for name, value in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        _check_channels(where, name, value, channels, input.shape)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(f"{where}: without training running_mean and running_var are needed")
        scale = rsqrt(running_var + eps)
        if weight is not None:
            scale = scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        out: Tensor
        if _has_kernel(input, scale, shift):
            clips = relu and not is_grad_enabled()  # the gradient would need the value below 0
            out = ChannelAffine(clips)(input, scale, shift)
            return out if clips or not relu else activation.relu(out)
        out = input * _per_channel(scale, input) + _per_channel(shift, input)
        return activation.relu(out) if relu else out
    axes = (0, *range(2, input.ndim))
    count = input.numel() // max(channels, 1)
    if count == 1:
        raise ValueError(
            f"{where}: expected more than 1 value per channel when training, got input "
            f"{input.shape}; use larger batches, drop_last=True in the DataLoader, or eval()"
        )
    if count and _has_kernel(input, weight, bias):
        gate = BatchNorm(eps, relu)
        out = gate(input, weight, bias)
        mean, variance, _ = gate.stats
        _move(running_mean, mean, momentum)
        _move(running_var, variance * (count / (count - 1)), momentum)
        return out
    stats = gates.statistics(input.array, axes, eps)
    if count:
        _move(running_mean, stats[0], momentum)
        _move(running_var, (stats[1] ** -2.0 - eps) * (count / (count - 1)), momentum)
    out = _normalised(input, axes, eps, _per(weight, input), _per(bias, input), stats)
    return activation.relu(out) if relu else out


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As `batch_norm`, for each image by itself.

    Parameters
    ----------
    input : Tensor, shape (N, C, L, …), float
    use_input_stats : bool
        Use the mean and variance of each image; else the running ones.
    running_mean, running_var, weight, bias, momentum, eps
        As `batch_norm`; the running estimates move towards the mean over the images.

    Raises
    ------
    ValueError
        Shapes that do not fit, or one value per channel.

    References
    ----------
    Ulyanov et al. 2016, "Instance normalization".
    """
    where = "instance_norm"
    require_float(where, input)
    if input.ndim < 3:
        raise ValueError(f"{where}: input must have shape (N, C, L, …), got {input.shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    channels = input.shape[1]
    for name, value in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        _check_channels(where, name, value, channels, input.shape)
    axes = tuple(range(2, input.ndim))
    count = int(np.prod(input.shape[2:]))
    if count == 1:
        raise ValueError(
            f"{where}: expected more than 1 value per channel of an image, got input {input.shape}"
        )
    stats = gates.statistics(input.array, axes, eps)
    if input.numel():
        _move(running_mean, stats[0].mean(axis=0), momentum)
        variance = (stats[1] ** -2.0 - eps) * (count / (count - 1))
        _move(running_var, variance.mean(axis=0), momentum)
    return _normalised(input, axes, eps, _per(weight, input), _per(bias, input), stats)


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions.

    Parameters
    ----------
    input : Tensor, shape (…, *normalized_shape), float
    normalized_shape : int or ints
    weight, bias : Tensor, shape normalized_shape, optional

    Raises
    ------
    ValueError
        Shapes that do not fit.

    References
    ----------
    Ba et al. 2016, "Layer normalization".
    """
    axes = _last_axes("layer_norm", input, normalized_shape, weight, bias)
    if input.numel() and _has_kernel(input, weight, bias):
        out: Tensor = LayerNorm(input.shape[axes[0] :], eps)(input, weight, bias)
        return out
    return _normalised(input, axes, eps, _grown(weight, input), _grown(bias, input))


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions.

    Parameters
    ----------
    input, normalized_shape, weight
        As `layer_norm`.
    eps : float, optional
        Default: the dtype's rounding error.

    Raises
    ------
    ValueError
        Shapes that do not fit.

    References
    ----------
    Zhang & Sennrich 2019, "Root mean square layer normalization".
    """
    axes = _last_axes("rms_norm", input, normalized_shape, weight, None)
    if eps is None:
        eps = float(np.finfo(input.dtype).eps)
    out = input * rsqrt((input * input).mean(axes, True) + eps)
    return out if weight is None else out * weight


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels of each image.

    Parameters
    ----------
    input : Tensor, shape (N, C, …), float
    num_groups : int
        C is a multiple of it.
    weight, bias : Tensor, shape (C,), optional

    Raises
    ------
    ValueError
        Shapes that do not fit.

    References
    ----------
    Wu & He 2018, "Group normalization".
    """
    where = "group_norm"
    require_float(where, input)
    if input.ndim < 2:
        raise ValueError(f"{where}: input must have shape (N, C, …), got {input.shape}")
    count, channels, *rest = input.shape
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"{where}: {channels} channels are not a multiple of num_groups={num_groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        _check_channels(where, name, value, channels, input.shape)
    size = channels // num_groups
    grouped = input.reshape(count, num_groups, size, *rest)
    ones = [1] * len(rest)
    scales = [None if x is None else x.reshape(1, num_groups, size, *ones) for x in (weight, bias)]
    axes = tuple(range(2, grouped.ndim))
    return _normalised(grouped, axes, eps, *scales).reshape(input.shape)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels.

    Parameters
    ----------
    input : Tensor, shape (N, C, L, …), float
    size : int
        Channels in the mean; those beyond the ends count as 0.

    Raises
    ------
    ValueError
        A size below 1, or fewer than 3 dimensions.

    References
    ----------
    Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks".
    """
    where = "local_response_norm"
    require_float(where, input)
    if input.ndim < 3:
        raise ValueError(f"{where}: input must have shape (N, C, L, …), got {input.shape}")
    if size < 1:
        raise ValueError(f"{where}: size must be at least 1, got {size}")
    channels = input.shape[1]
    frame = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad(input * input, frame)
    total = squares.narrow(1, 0, channels)
    for shift in range(1, size):
        total = total + squares.narrow(1, shift, channels)
    return input / (total * (alpha / size) + k) ** beta


def _has_kernel(input: Tensor, *others: Tensor | None) -> bool:
    """Whether all are float32 or all float64."""
    dtype = input.array.dtype
    return dtype.char in "fd" and all(x is None or x.array.dtype == dtype for x in others)


def _check_channels(
    where: str, name: str, value: Tensor | None, channels: int, shape: tuple[int, ...]
) -> None:
    if value is not None and value.shape != (channels,):
        raise ValueError(
            f"{where}: {name} has shape {value.shape} but input {shape} has {channels} channels"
        )


def _last_axes(
    where: str, input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None
) -> tuple[int, ...]:
    """The dimensions that are normalised, once the shapes fit."""
    require_float(where, input)
    wanted = ints(where, (normalized_shape,))
    if not wanted or input.shape[-len(wanted) :] != wanted:
        raise ValueError(f"{where}: input {input.shape} does not end in normalized_shape {wanted}")
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != wanted:
            raise ValueError(
                f"{where}: {name} has shape {value.shape} but normalized_shape is {wanted}"
            )
    return tuple(range(input.ndim - len(wanted), input.ndim))


def _per_channel(x: Tensor, input: Tensor) -> Tensor:
    return x.reshape(1, -1, *[1] * (input.ndim - 2))


def _per(x: Tensor | None, input: Tensor) -> Tensor | None:
    return None if x is None else _per_channel(x, input)


def _grown(x: Tensor | None, input: Tensor) -> Tensor | None:
    """With leading dimensions of length 1."""
    return None if x is None else x.reshape(*[1] * (input.ndim - x.ndim), *x.shape)


def _normalised(
    input: Tensor,
    axes: tuple[int, ...],
    eps: float,
    weight: Tensor | None,
    bias: Tensor | None,
    stats: Any = None,
) -> Tensor:
    if weight is None and bias is None:
        return gates.Standardize(axes, eps, stats)(input)
    if weight is None:
        weight = wrap(np.ones_like(input.array, shape=(1,) * input.ndim))
    if bias is None:
        bias = wrap(np.zeros((1,) * input.ndim, input.dtype, like=input.array))
    return gates.AffineNorm(axes, eps, stats)(input, weight, bias)


def _move(running: Tensor | None, batch: Any, momentum: float) -> None:
    """Move a running estimate towards the batch's value, in place."""
    if running is not None:
        array = running.array
        array *= 1 - momentum
        array += momentum * batch.reshape(array.shape).astype(array.dtype)
        memory.wrote(array)
