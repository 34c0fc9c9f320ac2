"""The progress of long work: a bar on a terminal, and for training a line an epoch everywhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)
from rich.text import Text

from tinygrad_cv.training import Callback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tinygrad_cv.training import Epoch, Trainer


class _Speed(ProgressColumn):
    def __init__(self, unit: str = "images") -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(
            f"{task.speed:,.{0 if task.speed > 10 else 2}f} {self.unit}/s" if task.speed else ""
        )


@contextmanager
def bar(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal, gone at the end; gives what moves it on by so many."""
    console = Console(stderr=True)
    shown = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.update(task, advance=done)


class Progress(Callback):
    """Shows images done, images/s and the time left; prints each epoch's result.

    Parameters
    ----------
    images : int
        How many there are in an epoch.
    """

    def __init__(self, images: int) -> None:
        self.images = images
        self.console = Console(highlight=False)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Speed(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def on_fit_start(self, trainer: Trainer) -> None:
        """Start the bar over all epochs to come."""
        todo = (trainer.epochs - len(trainer.history)) * self.images
        self.task = self.bar.add_task(self._title(trainer), total=todo)
        self.bar.start()

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Move the bar."""
        self.bar.update(self.task, advance=images, description=self._title(trainer))

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Print the epoch's line."""
        self.console.print(
            f"epoch {epoch.epoch}/{trainer.epochs}  "
            f"train loss {epoch.train_loss:.4f} accuracy {100 * epoch.train_accuracy:.2f} %  "
            f"validation loss {epoch.validation_loss:.4f} "
            f"accuracy {100 * epoch.validation_accuracy:.2f} %  "
            f"{epoch.seconds:.1f} s, {epoch.images_per_second:,.0f} images/s",
            soft_wrap=True,
        )

    def on_fit_end(self, trainer: Trainer) -> None:
        """Take the bar away."""
        self.bar.stop()

    @staticmethod
    def _title(trainer: Trainer) -> str:
        return f"epoch {min(len(trainer.history) + 1, trainer.epochs)}/{trainer.epochs}"
