"""Losses of classifiers: cross-entropy and negative log-likelihood."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cv.engine.device import check_one_device, on_gpu
from tinygrad_cv.engine.gate import zero_dim
from tinygrad_cv.engine.masking import maybe_any
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.activation import log_softmax
from tinygrad_cv.functional.bounds import nan_where, within
from tinygrad_cv.functional.choice import masked_fill
from tinygrad_cv.functional.loss_reduction import check_reduction, floats_of, reduced
from tinygrad_cv.functional.methods import require_float
from tinygrad_cv.gates.indexing import Take
from tinygrad_cv.gates.loss import CrossEntropy, Pick


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax cross-entropy between class scores and labels or class probabilities.

    Parameters
    ----------
    input : Tensor, shape (N, K), (K,) or (N, K, d1, d2, …), float32 or float64
        Raw scores (logits, in nats), not probabilities.
    target : Tensor, shape of input without K, integer; or shape of input, float
        Labels, 0 <= target < K, or `ignore_index`; or the probability of each class.
    weight : Tensor, shape (K,), dtype of input, optional
        Weight per class; with labels the mean divides by the sum of the weights used.
    ignore_index : int
        What has this label counts for nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        Part of the target that is spread evenly over all classes.

    Returns
    -------
    Tensor, dtype of input; shape () or, for "none", that of input without K

    Raises
    ------
    ValueError
        Shapes that do not fit, or an unknown reduction.
    TypeError
        Scores that are no floats.
    IndexError
        A label outside [0, K); on a GPU the host does not wait to see it, and its row is NaN.

    Notes
    -----
    L = -x[t] + log Σ_k exp(x[k]), with max x subtracted first: scores of 1e4 do not overflow.
    Local gradient: softmax(x) - onehot(t). The mean of an empty batch is NaN, as in PyTorch.

    References
    ----------
    CS231n notes, "Linear classification", section on the Softmax classifier.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> tg.functional.cross_entropy(tg.zeros(2, 10), tg.tensor([3, 7])).item()  # log 10
    2.302585...
    """
    where = "cross_entropy"
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{where}: label_smoothing must be in [0, 1], got {label_smoothing}")
    check_reduction(where, reduction)
    dim = _class_dim(where, input)
    _check_weight(where, input, dim, weight)
    if target.dtype.kind == "f":
        return _of_probabilities(input, dim, target, weight, reduction, label_smoothing)
    has_kernel = label_smoothing == 0.0 and _has_kernel(input, weight)
    labels = _labels(where, input, dim, target, ignore_index)
    if has_kernel:
        factors = None if weight is None else weight.array
        labels = labels.astype(np.int64, copy=False)
        return CrossEntropy(labels, factors, ignore_index, reduction)(input)
    scores = log_softmax(input, dim)
    loss, factors = _likelihood(scores, dim, labels, weight, ignore_index)
    if label_smoothing > 0.0:
        spread = scores if weight is None else scores * _along(weight, dim, input.ndim)
        smooth = _without(-spread.sum(dim), labels == ignore_index)
        loss = loss * (1.0 - label_smoothing) + smooth * (label_smoothing / input.shape[dim])
    return _reduced(loss, reduction, factors)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input[target]: the negative log-likelihood of labels, given log-probabilities.

    Parameters
    ----------
    input : Tensor, shape (N, K), (K,) or (N, K, d1, d2, …)
        Logarithms of class probabilities, as `log_softmax` gives them.
    target : Tensor, shape of input without K, integer
    weight, ignore_index, reduction
        As `cross_entropy`.

    Raises
    ------
    ValueError, TypeError, IndexError
        As `cross_entropy`, where a label that is no class makes a NaN on a GPU.
    """
    check_reduction("nll_loss", reduction)
    dim = _class_dim("nll_loss", input)
    _check_weight("nll_loss", input, dim, weight)
    labels = _labels("nll_loss", input, dim, target, ignore_index)
    loss, factors = _likelihood(input, dim, labels, weight, ignore_index)
    return _reduced(loss, reduction, factors)


def _has_kernel(input: Tensor, weight: Tensor | None) -> bool:
    """Whether the scores are what the kernel takes: rows of float32 or float64."""
    dtype = input.array.dtype
    return (
        input.ndim == 2
        and input.shape[1] > 0
        and dtype.char in "fd"
        and (weight is None or weight.array.dtype == dtype)
    )


def labels_of(where: str, input: Tensor, target: Any) -> tuple[Any, Any]:
    """The labels of scores of shape (N, K), and which are no class (see `bounds`)."""
    if input.ndim != 2:
        raise ValueError(f"{where}: input must have shape (N, K), got {input.shape}")
    require_float(where, input)
    return _known(input, 1, _labels(where, input, 1, target, None))


def _class_dim(where: str, input: Tensor) -> int:
    """The dimension of the classes."""
    require_float(where, input)
    if not input.ndim:
        raise ValueError(f"{where}: input must have shape (N, K, …) or (K,), got ()")
    return 1 if input.ndim > 1 else 0


def _check_weight(where: str, input: Tensor, dim: int, weight: Tensor | None) -> None:
    if weight is not None and weight.shape != (input.shape[dim],):
        raise ValueError(
            f"{where}: weight has shape {weight.shape} but input {input.shape} has "
            f"{input.shape[dim]} classes"
        )
    if weight is not None and weight.requires_grad:
        raise ValueError(f"{where}: weight must not require a gradient; use weight.detach()")


def _labels(where: str, input: Tensor, dim: int, target: Any, ignore_index: int | None) -> Any:
    """The labels as an array, each checked unless they are on a GPU, for which the host would wait."""
    labels = target.array if isinstance(target, Tensor) else np.asarray(target, like=input.array)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: target must be integers, got {labels.dtype}")
    shape = input.shape[:dim] + input.shape[dim + 1 :]
    if labels.shape != shape:
        raise ValueError(
            f"{where}: target has shape {labels.shape} but input {input.shape} expects {shape}"
        )
    check_one_device(where, (input.array, labels), None)
    if on_gpu(labels) or not labels.size:
        return labels.copy()
    if labels.min() < 0 or labels.max() >= input.shape[dim]:
        _check_labels(where, input, dim, labels, ignore_index)
    return labels.copy()  # a gate keeps them: the user may write into his


def _check_labels(
    where: str, input: Tensor, dim: int, labels: Any, ignore_index: int | None
) -> None:
    """Raise IndexError for the first label that is no class and not to be ignored."""
    bad = (labels < 0) | (labels >= input.shape[dim])
    if ignore_index is not None:
        bad &= labels != ignore_index
    if bad.any():
        place = tuple([int(i) for i in np.argwhere(bad)[0]])
        shown = ", ".join(map(str, place))
        raise IndexError(
            f"{where}: target[{shown}] is {int(labels[place])} but input {input.shape} has classes "
            f"0 to {input.shape[dim] - 1}"
        )


def _known(scores: Tensor, dim: int, labels: Any) -> tuple[Any, Any]:
    """The labels, and which of those on a GPU, where none was looked at, are no class."""
    if not on_gpu(labels):
        return labels, None
    classes = scores.shape[dim]
    return within(labels, 0, classes, scores.dtype, lambda i: f"{i} is none of {classes} classes")


def _likelihood(
    scores: Tensor, dim: int, labels: Any, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Any]:
    """-scores[label], times its factor: the class's weight, 0 where the label is to be ignored."""
    used = labels != ignore_index
    classes, wrong = _known(scores, dim, np.where(used, labels, 0))
    if scores.ndim == 2:
        picked = Pick(classes)(scores)
    else:
        before = scores.shape[0] if dim else 1
        after = int(np.prod(scores.shape[dim + 1 :]))
        rows = np.arange(before, like=classes).reshape(-1, 1) * scores.shape[dim]
        places = (rows + classes.reshape(before, after)) * after + np.arange(after, like=classes)
        picked = Take(places.reshape(labels.shape))(scores)
    factors = used if weight is None else np.where(used, weight.array[classes], 0)
    factors = factors.astype(scores.dtype)
    return _without(nan_where(wrong, -picked * wrap(factors)), ~used), factors


def _without(loss: Tensor, ignored: Any) -> Tensor:
    """0 where the label is to be ignored, be the scores there infinite or NaN."""
    return masked_fill(loss, wrap(ignored), 0.0) if maybe_any(ignored) else loss


def _along(weight: Tensor, dim: int, ndim: int) -> Tensor:
    """Weights per class, to be multiplied with scores."""
    return wrap(weight.array.reshape([-1 if i == dim else 1 for i in range(ndim)]))


def _of_probabilities(
    input: Tensor,
    dim: int,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    if target.shape != input.shape:
        raise ValueError(
            f"cross_entropy: target of probabilities has shape {target.shape} but input "
            f"{input.shape}"
        )
    input, target = floats_of("cross_entropy", input=input, target=target)
    if label_smoothing > 0.0:
        target = target * (1.0 - label_smoothing) + label_smoothing / input.shape[dim]
    terms = log_softmax(input, dim) * target
    if weight is not None:
        terms = terms * _along(weight, dim, input.ndim)
    loss = -terms.sum(dim)
    return reduced(loss, reduction)


def _reduced(loss: Tensor, reduction: str, factors: Any) -> Tensor:
    """As `reduced`, but the mean divides by the sum of the factors."""
    if reduction != "mean":
        return reduced(loss, reduction)
    total = factors.sum()
    if on_gpu(total):
        nothing = total == 0
        nan = np.where(nothing, np.nan, 0).astype(total.dtype)
        return loss.sum() / wrap(total + nothing) + wrap(nan)
    if not total:
        return loss.sum() + math.nan  # the mean of nothing; its gradient is 0
    return loss.sum() / wrap(zero_dim(total))
