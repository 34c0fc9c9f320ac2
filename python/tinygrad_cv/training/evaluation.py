"""How good a network is on data that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.engine.device import CPU
from tinygrad_cv.engine.grad_mode import no_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tinygrad_cv.engine.device import device as Device
    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module


@dataclass(frozen=True)
class Evaluation:
    """Mean loss (nats), share of right answers in [0, 1], and over how many images."""

    loss: float
    accuracy: float
    count: int


def device_of(model: Module) -> Device:
    """Where the model's parameters are; the CPU without any."""
    first = next(iter(model.parameters()), None)
    return CPU if first is None else first.device


def on_device_of(model: Module, batches: Iterable[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, each on the device of the model's parameters."""
    first = next(iter(model.parameters()), None)
    for images, labels in batches:
        if first is not None and images.device != first.device:
            images, labels = images.to(first.device), labels.to(first.device)
        yield images, labels


def hits(scores: Tensor, labels: Tensor) -> int:
    """How many rows have their largest score at the label, or at the likeliest of mixed ones."""
    right = labels.array
    if right.dtype.kind == "f" and right.ndim == 2:  # probabilities, from MixUp or CutMix
        right = right.argmax(axis=1)
    return int((scores.array.argmax(axis=1) == right).sum())


@no_grad()
def evaluate(
    model: Module, batches: Iterable[Any], loss: Callable[..., Tensor] = F.cross_entropy
) -> Evaluation:
    """Loss and accuracy over batches of (images, labels), in evaluation mode.

    Parameters
    ----------
    model : Module
        Put into `eval()` and, afterwards, back into the mode it was in.
    batches : iterable of (Tensor, Tensor)
        Such as a `DataLoader`.
    loss : callable
        ``loss(scores, labels)``, a mean over the batch.

    Raises
    ------
    ValueError
        No images.
    """
    training = model.training
    model.eval()
    total, right, count = 0.0, 0, 0
    try:
        for images, labels in on_device_of(model, batches):
            scores = model(images)
            total += loss(scores, labels).item() * len(labels)
            right += hits(scores, labels)
            count += len(labels)
    finally:
        model.train(training)
    if not count:
        raise ValueError("evaluate: no images to evaluate on")
    return Evaluation(total / count, right / count, count)
