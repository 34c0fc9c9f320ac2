"""The learning-rate finder: the loss while the step size rises from too small to too large."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv import functional as F
from tinygrad_cv.training.keep import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module
    from tinygrad_cv.optim import Optimizer

SMOOTH = 0.9  # share of the past in the running mean of the loss
DIVERGED = 4.0  # times the least loss so far
LEAST_FALL = 0.999  # of the first loss; less is noise


class LearningRates(NamedTuple):
    """What was tried: step sizes, the smoothed loss at each, and the one to begin with."""

    rates: list[float]
    losses: list[float]
    suggestion: float


def find_learning_rate(
    model: Module,
    optimizer: Optimizer,
    batches: Iterable[Any],
    loss: Callable[..., Tensor] = F.cross_entropy,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
) -> LearningRates:
    """Take steps whose size rises exponentially, until the loss explodes; see where it was least.

    Parameters
    ----------
    model, optimizer
        Both are given back as they were.
    batches : iterable of (Tensor, Tensor)
        Gone through as often as the steps need.
    loss : callable
    low, high : float
        The first and the last step size.
    steps : int

    Returns
    -------
    LearningRates
        The suggestion is a tenth of the step size at which the smoothed loss was least.

    Raises
    ------
    ValueError
        A range that is none, fewer than 10 steps, no batches, or a loss that exploded before it fell.

    References
    ----------
    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> _ = tg.manual_seed(0)
    >>> net = tg.models.mlp([4, 8, 3])
    >>> points = tg.randn(64, 4)
    >>> data = tg.data.TensorDataset(points, points[:, :3].argmax(dim=1))
    >>> sgd = tg.optim.SGD(net.parameters(), lr=0.1)
    >>> found = find_learning_rate(net, sgd, tg.data.DataLoader(data, 16))
    >>> 1e-4 < found.suggestion < 10
    True
    """
    if not 0 < low < high:
        raise ValueError(f"find_learning_rate: expected 0 < low < high, got {low} and {high}")
    if steps < 10:
        raise ValueError(f"find_learning_rate: steps must be at least 10, got {steps}")
    before = optimizer.state_dict()
    optimizer.load_state_dict(
        before
    )  # with copies of the arrays, so that the run's stay as they are
    try:
        with kept(model):
            model.train()
            tried = list(_rise(model, optimizer, batches, loss, np.geomspace(low, high, steps)))
    finally:
        optimizer.load_state_dict(before)
    rates, losses = [rate for rate, _ in tried], [value for _, value in tried]
    if len(tried) < 10 or min(losses) > LEAST_FALL * losses[0]:
        raise ValueError(
            f"find_learning_rate: the loss did not fall from {losses[0]:.3g} between {low:g} and "
            f"{rates[-1]:.3g}; try a smaller low, or check the model with sanity"
        )
    return LearningRates(rates, losses, rates[int(np.argmin(losses))] / 10)


def _rise(model: Any, optimizer: Any, batches: Any, loss: Any, rates: Any) -> Any:
    """Step sizes and smoothed losses, up to where the loss explodes."""
    mean, least = 0.0, math.inf
    source: Iterator[Any] = iter(())
    for number, rate in enumerate(rates.tolist(), start=1):
        batch = next(source, None)
        if batch is None:
            source = iter(batches)
            batch = next(source, None)
            if batch is None:
                raise ValueError("find_learning_rate: no batches")
        images, labels = batch
        value = loss(model(images), labels)
        mean = SMOOTH * mean + (1 - SMOOTH) * value.item()
        smoothed = mean / (1 - SMOOTH**number)
        if not math.isfinite(smoothed) or smoothed > DIVERGED * least:
            return
        least = min(least, smoothed)
        yield rate, smoothed
        optimizer.zero_grad()
        value.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
