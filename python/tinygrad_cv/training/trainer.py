"""The training loop: batches forward, gradients backward, a step of the optimizer, and what to tell."""

from __future__ import annotations

import itertools
import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.amp import GradScaler, autocast
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.random import default_generator
from tinygrad_cv.nn.utils import max_norm_
from tinygrad_cv.optim.lr_scheduler import ReduceLROnPlateau
from tinygrad_cv.training.evaluation import Evaluation, evaluate, hits, on_device_of
from tinygrad_cv.training.history import Epoch, History
from tinygrad_cv.training.state import Progress, restore, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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

    def state_dict(self) -> dict[str, Any]:
        """What the callback must know to go on in a resumed run: numbers, texts and arrays."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


class Trainer:
    """Fits a model to batches of (images, labels).

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Of the model's parameters.
    loss : callable
        ``loss(scores, labels)``, a mean over the batch.
    schedule : LRScheduler or ReduceLROnPlateau, optional
        Of the optimizer's learning rate. A plateau is looked for in the validation loss, or in its
        accuracy where the mode is "max".
    schedule_unit : {"epoch", "step"}
        When the schedule takes a step: after each epoch, or after each update.
    regularizer : callable, optional
        ``regularizer(model)``, a penalty that is added to the loss that is learned from, such as
        `nn.regularizers.L2`. What is recorded is the loss without it, so that training and validation
        can be compared.
    max_norm : float, optional
        After each update no unit's incoming weights are longer than this; see
        `nn.utils.max_norm_`.
    amp : {"float16", "bfloat16"}, optional
        Steps run within `amp.autocast`, those of float16 with a `GradScaler`; the model must be on a
        GPU. Validation does not round.
    callbacks : sequence of Callback

    Attributes
    ----------
    history : History
        A row for each finished epoch.
    epochs, steps : int
        How many epochs `fit` was asked for; how many steps were taken.
    interrupted : bool
        Whether Ctrl-C ended the last `fit`.
    last_loss, last_penalty : float
        Of the newest step: the data's loss, and what the regularizer added to it.
    progress : Progress
        What the epoch at hand has brought so far.
    scaler : GradScaler
        Disabled but for float16.

    Raises
    ------
    RuntimeError
        `amp` and a model on the CPU.
    ValueError
        Another unit or dtype, or a plateau that is to be looked for after each update.

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
        schedule: LRScheduler | ReduceLROnPlateau | None = None,
        *,
        schedule_unit: str = "epoch",
        regularizer: Callable[[Module], Tensor] | None = None,
        max_norm: float | None = None,
        amp: str | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if schedule_unit not in ("epoch", "step"):
            raise ValueError(
                f"Trainer: schedule_unit must be 'epoch' or 'step', got {schedule_unit!r}"
            )
        if schedule_unit == "step" and isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(
                "Trainer: a plateau is seen in the validation, which is measured once an epoch; "
                "schedule_unit must be 'epoch'"
            )
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"Trainer: max_norm must be above 0, got {max_norm}")
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.schedule = schedule
        self.schedule_unit = schedule_unit
        self.regularizer = regularizer
        self.max_norm = max_norm
        place = next((str(p.device) for p in model.parameters()), "cpu")
        self.amp = amp
        self._rounding = nullcontext() if amp is None else autocast(place, amp)
        self.scaler = GradScaler(place, enabled=amp == "float16")
        self.callbacks = list(callbacks)
        self.history = History()
        self.epochs = 0
        self.steps = 0
        self.interrupted = False
        self.last_loss = self.last_penalty = 0.0
        self.progress = Progress()
        self.loader_state: dict[str, Any] | None = None  # as the epoch at hand began
        self.resumed: dict[str, Any] | None = None  # random state to be taken up by the next epoch

    def state_dict(self) -> dict[str, Any]:
        """All that the run depends on, as nested dicts of numbers, texts and arrays.

        Model, optimizer, scaler, schedule, history, callbacks, position in the epoch, and the state of the
        default generator, of the generators that layers have, and of the training data's loader.
        """
        return state_of(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there: the next `fit` gives the bits that the unbroken run would have given.

        The trainer must have been made as that one was, and `fit` get the same data.

        Raises
        ------
        ValueError
            A model, optimizer or schedule of another kind or shape; nothing was changed then.
        """
        restore(self, state_dict)

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
        learned = self._learn(train)
        measured = evaluate(self.model, validation, self.loss)
        epoch = Epoch(
            len(self.history) + 1,
            learned.loss,
            learned.accuracy,
            measured.loss,
            measured.accuracy,
            self.optimizer.param_groups[0]["lr"],
            self.progress.seconds,
            learned.count / self.progress.seconds,
            self.progress.penalty / learned.count,
        )
        self.history.append(epoch)
        self.progress = Progress()
        self.loader_state = train.state_dict() if hasattr(train, "state_dict") else None
        if self.schedule_unit == "epoch":
            self._move_schedule(measured)
        self._tell("on_epoch_end", epoch)

    def _move_schedule(self, measured: Evaluation | None = None) -> None:
        schedule = self.schedule
        if isinstance(schedule, ReduceLROnPlateau):
            assert measured is not None
            schedule.step(measured.loss if schedule.mode == "min" else measured.accuracy)
        elif schedule is not None:
            schedule.step()

    def _learn(self, train: Iterable[Any]) -> Evaluation:
        """One pass over the training data; its loss and accuracy as they were on the way."""
        self.model.train()
        progress = self.progress
        batches = self._batches(train)
        start = time.perf_counter() - progress.seconds
        for images, labels in on_device_of(self.model, batches):
            scores, loss = self._step(images, labels)
            progress.batches += 1
            progress.count += len(labels)
            progress.loss += loss * len(labels)
            progress.penalty += self.last_penalty * len(labels)
            progress.right += hits(scores, labels)
            progress.seconds = time.perf_counter() - start
            self._tell("on_batch_end", len(labels))
        return Evaluation(
            progress.loss / progress.count, progress.right / progress.count, progress.count
        )

    def _batches(self, train: Any) -> Iterator[Any]:
        """The batches of an epoch; where it was begun before, those that are left."""
        resumed, self.resumed = self.resumed, None
        if not hasattr(train, "epoch"):
            batches = itertools.islice(train, self.progress.batches, None)
        else:
            if resumed is not None and resumed["loader"] is not None:
                train.load_state_dict(resumed["loader"])
            self.loader_state = train.state_dict()
            batches = train.epoch(self.progress.batches)
        if resumed is not None:
            default_generator.set_state(resumed["default"])  # after the epoch's order was drawn
        return batches

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        with self._rounding:
            scores, value = self._learn_from(images, labels)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.max_norm is not None:
            max_norm_(self.model, self.max_norm)
        if self.schedule_unit == "step":
            self._move_schedule()
        self.steps += 1
        return scores, value

    def _learn_from(self, images: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        """The scores and the loss of a batch, whose gradients are then there."""
        scores = self.model(images)
        loss = self.loss(scores, labels)
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(
                f"fit: the loss is {value} at step {self.steps}; "
                f"{first_bad_layer(self.model, images)}"
            )
        self.last_loss, self.last_penalty = value, 0.0
        if self.regularizer is not None:
            penalty = self.regularizer(self.model)
            self.last_penalty = penalty.item()
            loss = loss + penalty
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
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
