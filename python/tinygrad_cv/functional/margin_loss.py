"""Losses with a margin: what lies beyond it costs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.activation import logsigmoid, relu
from tinygrad_cv.functional.arithmetic import sqrt
from tinygrad_cv.functional.bounds import nan_where
from tinygrad_cv.functional.choice import clamp, minimum, where
from tinygrad_cv.functional.loss import labels_of
from tinygrad_cv.functional.loss_reduction import (
    check_reduction,
    check_same_shape,
    floats_of,
    reduced,
)
from tinygrad_cv.functional.similarity import pairwise_distance
from tinygrad_cv.gates.chain import Keep
from tinygrad_cv.gates.loss import Pick


def _positive(x: Tensor) -> Tensor:
    """max(0, x) with the slope 1 at 0: PyTorch's choice in the losses of pairs and triplets."""
    return clamp(x, min=0)


def _overshoot(input: Tensor, labels: Any, margin: float) -> Tensor:
    """max(0, s_j - s_y + margin) for every class j but the right one, 0 for that."""
    right = Pick(labels)(input).reshape(-1, 1)
    others = np.arange(input.shape[1], like=labels) != labels[:, None]
    return relu(Keep(others)(input - right + margin))


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Σ_{j != y} max(0, margin - s_y + s_j)^p / K: PyTorch's multiclass hinge loss.

    Parameters
    ----------
    input : Tensor, shape (N, K) or (K,)
        Scores.
    target : Tensor, shape (N,) or (), integer
        Labels, 0 <= target < K.
    p : {1, 2}
    margin : float
    weight : Tensor, shape (K,), optional
        Weight per class: a sample is weighted by that of its label.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        Another p, shapes that do not fit, or an unknown reduction.
    IndexError
        A label outside [0, K); on a GPU the host does not wait to see it, and its row is NaN.

    Notes
    -----
    Exactly at the margin the gradient is 0. `multiclass_svm_loss` is K times this for p = 1.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, got {p}")
    check_reduction("multi_margin_loss", reduction)
    rows = input if input.ndim != 1 else input.reshape(1, -1)
    target = target if input.ndim != 1 else target.reshape(1)
    labels, wrong = labels_of("multi_margin_loss", rows, target)
    over = _overshoot(rows, labels, margin)
    if p == 2:
        over = over * over
    loss = nan_where(wrong, over.sum(1) / rows.shape[1])
    if weight is not None:
        if weight.shape != rows.shape[1:]:
            raise ValueError(
                f"multi_margin_loss: weight has shape {weight.shape} but input {input.shape} has "
                f"{rows.shape[1]} classes"
            )
        loss = loss * weight[labels]
    return reduced(loss if input.ndim != 1 else loss.reshape(()), reduction)


def multiclass_svm_loss(scores: Tensor, y: Tensor, delta: float = 1.0) -> Tensor:
    """The mean over the batch of Σ_{j != y} max(0, s_j - s_y + delta), the multiclass SVM loss.

    Parameters
    ----------
    scores : Tensor, shape (N, K)
    y : Tensor, shape (N,), integer
        Labels, 0 <= y < K.
    delta : float
        How much higher the right class must score than the others.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    IndexError
        A label outside [0, K); on a GPU the host does not wait to see it, and its row is NaN.

    Notes
    -----
    Not divided by the number of classes, unlike PyTorch's `multi_margin_loss`.

    References
    ----------
    Weston & Watkins 1999; CS231n notes, "Linear classification".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> scores = tg.tensor([[13.0, -7.0, 11.0]])
    >>> multiclass_svm_loss(scores, tg.tensor([0]), delta=10.0).item()
    8.0
    """
    labels, wrong = labels_of("multiclass_svm_loss", scores, y)
    return nan_where(wrong, _overshoot(scores, labels, delta).sum(1)).mean()


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1; at the margin the slope is -1.

    Raises
    ------
    ValueError
        An unknown reduction.
    """
    check_reduction("hinge_embedding_loss", reduction)
    (input,) = floats_of("hinge_embedding_loss", input=input)
    zero = wrap(np.zeros((), input.dtype, like=input.array))
    far = where(target == 1, zero, _positive(margin - input))
    near = where(target == -1, zero, input)
    return reduced(far + near, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - t (x1 - x2)): for t = 1 the first should be larger, for -1 the second.

    Raises
    ------
    ValueError
        An unknown reduction, or inputs of different numbers of dimensions.
    """
    check_reduction("margin_ranking_loss", reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ValueError(
            f"margin_ranking_loss: shapes {input1.shape}, {input2.shape} and {target.shape} must "
            "have as many dimensions"
        )
    input1, input2 = floats_of("margin_ranking_loss", input1=input1, input2=input2)
    return reduced(_positive(margin - target * (input1 - input2)), reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-t x)) for targets 1 and -1.

    Raises
    ------
    ValueError
        Shapes that differ, or an unknown reduction.
    """
    check_reduction("soft_margin_loss", reduction)
    (input,) = floats_of("soft_margin_loss", input=input)
    check_same_shape("soft_margin_loss", input, target)
    return reduced(-logsigmoid(input * target), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    *,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Parameters
    ----------
    input1, input2 : Tensor, shape (N, D) or (D,)
    target : Tensor, shape (N,) or (), 1 or -1
    margin : float, -1 to 1

    Raises
    ------
    ValueError
        Shapes that do not fit, or an unknown reduction.
    """
    name = "cosine_embedding_loss"
    check_reduction(name, reduction)
    input1, input2 = floats_of(name, input1=input1, input2=input2)
    if target.ndim > 1 or not input1.ndim == input2.ndim == target.ndim + 1:
        raise ValueError(
            f"{name}: inputs {input1.shape} and {input2.shape} with target {target.shape}: "
            "expected (N, D) with (N,), or (D,) with ()"
        )
    epsilon = 1e-12
    lengths = [(x * x).sum(-1) + epsilon for x in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / sqrt(lengths[0] * lengths[1])
    zero = wrap(np.zeros((), cosine.dtype, like=cosine.array))
    near = where(target == 1, 1 - cosine, zero)
    far = where(target == -1, _positive(cosine - margin), zero)
    return reduced(near + far, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the `pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : Tensor, shape (N, D) or (D,)
    margin : float, > 0
    p, eps
        As `pairwise_distance`.
    swap : bool
        Use d(positive, negative) where that is smaller than d(anchor, negative).

    Raises
    ------
    ValueError
        A margin that is not positive, shapes that do not fit, or an unknown reduction.

    References
    ----------
    Balntas et al. 2016, "Learning local feature descriptors with triplets".
    """
    name = "triplet_margin_loss"
    check_reduction(name, reduction)
    if margin <= 0:
        raise ValueError(f"{name}: margin must be > 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            f"{name}: shapes {anchor.shape}, {positive.shape} and {negative.shape} must have as "
            "many dimensions"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(_positive(near - far + margin), reduction)
