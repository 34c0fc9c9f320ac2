"""The training loop: batches forward, gradients backward, a step of the optimizer, and what to tell."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.training.evaluation import Evaluation, evaluate, hits, on_device_of
from tinygrad_cv.training.history import Epoch, History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tinygrad_cv.data import DataLoader
    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module
    from tinygrad_cv.optim import Optimizer
    from tinygrad_cv.optim.lr_scheduler import LRScheduler


class Callback:
    """What is told of a training run; override what you need. Each method gets the trainer."""

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first batch."""

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """After a step on so many images."""

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """After an epoch and its validation."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch, or when the run was interrupted or failed."""


class Trainer:
    """Fits a model to batches of (images, labels).

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Of the model's parameters.
    loss : callable
        ``loss(scores, labels)``, a mean over the batch.
    schedule : LRScheduler, optional
        Of the optimizer's learning rate; takes a step after each epoch.
    callbacks : sequence of Callback

    Attributes
    ----------
    history : History
        A row for each finished epoch.
    epochs, steps : int
        How many epochs `fit` was asked for; how many steps were taken.
    interrupted : bool
        Whether Ctrl-C ended the last `fit`.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> images, labels = tg.rand(32, 4), tg.randint(3, (32,))
    >>> batches = tg.data.DataLoader(tg.data.TensorDataset(images, labels), batch_size=8)
    >>> model = tg.nn.Linear(4, 3)
    >>> trainer = Trainer(model, tg.optim.SGD(model.parameters(), lr=0.1))
    >>> len(trainer.fit(batches, batches, epochs=2))
    2
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[..., Tensor] = F.cross_entropy,
        schedule: LRScheduler | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.schedule = schedule
        self.callbacks = list(callbacks)
        self.history = History()
        self.epochs = 0
        self.steps = 0
        self.interrupted = False

    def fit(self, train: DataLoader, validation: Iterable[Any], epochs: int) -> History:
        """Train for so many more epochs; Ctrl-C ends the run after the step at hand.

        Parameters
        ----------
        train, validation : DataLoader
            Batches of (images, labels) to learn from, and to measure each epoch on.
        epochs : int, at least 1

        Returns
        -------
        History
            All epochs so far.

        Raises
        ------
        ValueError
            Fewer than one epoch, or no batches.
        FloatingPointError
            A loss that is NaN or infinite; the message names the step and the layer.
        """
        if epochs < 1:
            raise ValueError(f"fit: epochs must be at least 1, got {epochs}")
        if not len(train):
            raise ValueError("fit: the training data has no batch")
        self.epochs = len(self.history) + epochs
        self.interrupted = False
        self._tell("on_fit_start")
        try:
            while len(self.history) < self.epochs:
                self._epoch(train, validation)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self._tell("on_fit_end")
        return self.history

    def _epoch(self, train: Iterable[Any], validation: Iterable[Any]) -> None:
        start = time.perf_counter()
        learned = self._learn(train)
        seconds = time.perf_counter() - start
        measured = evaluate(self.model, validation, self.loss)
        epoch = Epoch(
            len(self.history) + 1,
            learned.loss,
            learned.accuracy,
            measured.loss,
            measured.accuracy,
            self.optimizer.param_groups[0]["lr"],
            seconds,
            learned.count / seconds,
        )
        self.history.append(epoch)
        if self.schedule is not None:
            self.schedule.step()
        self._tell("on_epoch_end", epoch)

    def _learn(self, train: Iterable[Any]) -> Evaluation:
        """One pass over the training data; its loss and accuracy as they were on the way."""
        self.model.train()
        total, right, count = 0.0, 0, 0
        for images, labels in on_device_of(self.model, train):
            scores, loss = self._step(images, labels)
            total += loss * len(labels)
            right += hits(scores, labels)
            count += len(labels)
            self._tell("on_batch_end", len(labels))
        return Evaluation(total / count, right / count, count)

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        scores = self.model(images)
        loss = self.loss(scores, labels)
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(
                f"fit: the loss is {value} at step {self.steps}; "
                f"{first_bad_layer(self.model, images)}"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        return scores, value

    def _tell(self, event: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *args)


def first_bad_layer(model: Module, images: Tensor) -> str:
    """Where NaN or infinity first appears: in the images, a parameter or a layer's output."""
    if not F.isfinite(images).all():
        return "the images hold NaN or infinity"
    for name, parameter in model.named_parameters():
        if not F.isfinite(parameter).all():
            return f"parameter {name} holds NaN or infinity; try a smaller learning rate"
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: Module, _inputs: Any, output: Any) -> None:
            if not found and hasattr(output, "array") and not F.isfinite(output).all():
                found.append(name)

        return hook

    handles = [
        module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name
    ]
    try:
        with no_grad():
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return f"layer {found[0]} is the first whose output holds NaN or infinity"
    return "every layer's output is finite, so it arises in the loss itself"
