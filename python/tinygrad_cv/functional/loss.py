"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.activation import log_softmax
from tinygrad_cv.gates.loss import Pick


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax cross-entropy between class scores and labels.

    Parameters
    ----------
    input : Tensor, shape (N, K), float32 or float64
        Raw scores (logits, in nats), not probabilities.
    target : Tensor, shape (N,), integer
        Labels, 0 <= target < K, or `ignore_index`.
    weight : Tensor, shape (K,), dtype of input, optional
        Weight per class; the mean divides by the sum of the weights used.
    ignore_index : int
        Rows with this label count for nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        Part of the target that is spread evenly over all classes.

    Returns
    -------
    Tensor, dtype of input; shape () or, for "none", that of target

    Raises
    ------
    ValueError
        Shapes that do not fit, or an unknown reduction.
    TypeError
        Labels that are no integers.
    IndexError
        A label outside [0, K).

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
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    labels, used = _check_labels("cross_entropy", input, target, ignore_index, reduction)
    if weight is not None and weight.shape != input.shape[1:]:
        raise ValueError(
            f"cross_entropy: weight has shape {weight.shape} but input {input.shape} has "
            f"{input.shape[1]} classes"
        )
    scores = log_softmax(input, 1)
    factors = _row_factors(labels, used, weight, input.dtype)
    loss = -Pick(labels)(scores) * wrap(factors)
    total = factors.sum()
    if label_smoothing > 0.0:
        spread = scores if weight is None else scores * wrap(weight.array)
        smooth = -spread.sum(1) * wrap(used.astype(input.dtype))
        loss = loss * (1.0 - label_smoothing) + smooth * (label_smoothing / input.shape[1])
    return _reduce(loss, reduction, total)


def _check_labels(
    where: str, input: Tensor, target: Any, ignore_index: int, reduction: str
) -> tuple[Any, Any]:
    """The labels with ignored ones as 0, and which rows count."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{where}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if input.ndim != 2:
        raise ValueError(f"{where}: input must have shape (N, K), got {input.shape}")
    if input.array.dtype.kind != "f":
        raise TypeError(f"{where}: input must be floats, got {input.dtype}")
    labels = target.array if isinstance(target, Tensor) else np.asarray(target)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: target must be integers, got {labels.dtype}")
    if labels.shape != input.shape[:1]:
        raise ValueError(
            f"{where}: target has shape {labels.shape} but input {input.shape} expects "
            f"({input.shape[0]},)"
        )
    used = labels != ignore_index
    bad = used & ((labels < 0) | (labels >= input.shape[1]))
    if bad.any():
        row = int(bad.argmax())
        raise IndexError(
            f"{where}: target[{row}] is {int(labels[row])} but input {input.shape} has classes 0 "
            f"to {input.shape[1] - 1}"
        )
    return np.where(used, labels, 0), used


def _row_factors(labels: Any, used: Any, weight: Tensor | None, dtype: Any) -> Any:
    """What each row's loss is multiplied by: its class's weight, 0 if it is ignored."""
    if weight is None:
        return used.astype(dtype)
    return np.where(used, weight.array[labels], 0).astype(dtype)


def _reduce(loss: Tensor, reduction: str, total: Any) -> Tensor:
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return loss.sum() / wrap(np.asarray(total))
