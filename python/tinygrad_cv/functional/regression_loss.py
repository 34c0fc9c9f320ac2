"""Losses between numbers, probabilities and distributions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.functional.activation import logsigmoid
from tinygrad_cv.functional.bounds import nan_where
from tinygrad_cv.functional.choice import clamp, where
from tinygrad_cv.functional.exponential import exp, log
from tinygrad_cv.functional.loss_reduction import (
    check_broadcast,
    check_reduction,
    check_same_shape,
    floats_of,
    reduced,
)
from tinygrad_cv.gates.loss import BinaryCrossEntropy, SmoothL1

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def _difference(
    name: str, input: Tensor, target: Tensor, reduction: str, weight: Tensor | None
) -> Tensor:
    check_reduction(name, reduction)
    input, target = floats_of(name, input=input, target=target)
    check_broadcast(name, input, target)
    if weight is not None and weight.shape != input.shape:
        raise ValueError(f"{name}: weight has shape {weight.shape} but input {input.shape}")
    return input - target


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The mean of a weighted loss divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


def mse_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """(input - target)^2, the squared L2 distance.

    Parameters
    ----------
    input, target : Tensor, of one shape
        Shapes that differ but broadcast give a warning.
    reduction : {"mean", "sum", "none"}
    weight : Tensor, shape of input, optional
        The mean divides by its sum.

    Raises
    ------
    ValueError
        Shapes that do not broadcast, or an unknown reduction.
    TypeError
        No floats.
    """
    difference = _difference("mse_loss", input, target, reduction, weight)
    return _weighted(difference * difference, weight, reduction)


def l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """|input - target|; the gradient where they are equal is 0. Arguments as `mse_loss`."""
    difference = _difference("l1_loss", input, target, reduction, weight)
    return _weighted(SmoothL1(0)(difference), weight, reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| < beta, d - beta / 2 elsewhere.

    Arguments as `mse_loss`.

    Raises
    ------
    ValueError
        A negative beta; otherwise as `mse_loss`.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must be >= 0, got {beta}")
    difference = _difference("smooth_l1_loss", input, target, reduction, None)
    return reduced(SmoothL1(beta)(difference), reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where d = |input - target| < delta, delta (d - delta / 2) elsewhere.

    Arguments as `mse_loss`, but the mean divides by the count although there is a weight.

    Raises
    ------
    ValueError
        A delta that is not positive; otherwise as `mse_loss`.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be > 0, got {delta}")
    difference = _difference("huber_loss", input, target, reduction, weight)
    loss = SmoothL1(delta)(difference) * delta
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-(t log p + (1 - t) log(1 - p)) for probabilities p = input; logarithms are at least -100.

    Parameters
    ----------
    input, target : Tensor, of one shape, 0 to 1
    weight : Tensor, broadcast, optional
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        Shapes that differ, or an input outside [0, 1] (on a GPU its loss is NaN).

    Notes
    -----
    `binary_cross_entropy_with_logits` does not lose digits near 0 and 1.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    input, target = floats_of(name, input=input, target=target)
    check_same_shape(name, input, target)
    bad = (input.array < 0) | (input.array > 1)
    # A GPU is not waited for: logarithms of what is no probability are NaN.
    if not on_gpu(bad) and bad.any():
        raise ValueError(
            f"{name}: input must be probabilities, 0 to 1, got {float(input.array[bad][0])}; "
            "binary_cross_entropy_with_logits takes scores"
        )
    loss: Tensor = BinaryCrossEntropy()(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of scores: their sigmoid is the probability.

    Parameters
    ----------
    input : Tensor
        Scores (logits).
    target : Tensor, shape of input, 0 to 1
    weight : Tensor, broadcast, optional
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, broadcast, optional
        Weight of the part with target 1.

    Raises
    ------
    ValueError
        Shapes that differ.

    Notes
    -----
    (1 - t) x - (1 + (pos_weight - 1) t) log sigmoid(x): scores of 1e4 do not overflow.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    input, target = floats_of(name, input=input, target=target)
    check_same_shape(name, input, target)
    positive = logsigmoid(input)
    if pos_weight is not None:
        positive = positive * (1 + (pos_weight - 1) * target)
    loss = (1 - target) * input - positive
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """t (log t - input): how far the distribution t is from one whose logarithm is `input`.

    Parameters
    ----------
    input : Tensor
        Logarithms of probabilities.
    target : Tensor, broadcast
        Probabilities, or with `log_target` their logarithms.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides the sum by the first length, as the definition asks.

    Raises
    ------
    ValueError
        An unknown reduction, or shapes that do not broadcast.

    Notes
    -----
    Where a probability is 0 the term is 0.
    """
    if reduction != "batchmean":
        check_reduction("kl_div", reduction)
    input, target = floats_of("kl_div", input=input, target=target)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = where(target > 0, target * log(target), target * 0) - target * input
    if reduction == "batchmean":
        return loss.sum() / (input.shape[0] if input.ndim else 1)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (input - target)^2 / v) / 2 for v = max(var, eps).

    Parameters
    ----------
    input, target : Tensor, of one shape or broadcast
        Means, and what was seen.
    var : Tensor, shape of input, or without or with 1 for its last dimension
        Variances, >= 0. The gradient is that without the cut-off at eps.
    full : bool
        Add log(2 pi) / 2.

    Raises
    ------
    ValueError
        A negative variance (on a GPU its loss is NaN), an eps that is not positive, or shapes that do not fit.
    """
    name = "gaussian_nll_loss"
    check_reduction(name, reduction)
    input, target, var = floats_of(name, input=input, target=target, var=var)
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.shape[:-1] != input.shape[:-1] or var.shape[-1:] != (1,):
            raise ValueError(f"{name}: var has shape {var.shape} but input {input.shape}")
    if eps <= 0:
        raise ValueError(f"{name}: eps must be > 0, got {eps}")
    negative = var.array < 0
    if not on_gpu(negative) and negative.any():
        raise ValueError(f"{name}: var must be >= 0, got {float(var.array.min())}")
    # As in PyTorch the gradient passes the cut-off as if it were not there.
    var = var + (clamp(var.detach(), eps) - var.detach())
    difference = input - target
    loss = 0.5 * (log(var) + difference * difference / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    if on_gpu(negative):
        loss = nan_where(negative, loss)
    return reduced(loss, reduction)
