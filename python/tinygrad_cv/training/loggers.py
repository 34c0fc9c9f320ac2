"""Callbacks that write the numbers of a run to files: a table, or TensorBoard's events."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require
from tinygrad_cv.training.trainer import Callback

if TYPE_CHECKING:
    import os
    from io import FileIO

    from tinygrad_cv.training.history import Epoch
    from tinygrad_cv.training.trainer import Trainer

COLUMNS = ("step", "data_loss", "regularization_loss", "learning_rate")


class CSVLogger(Callback):
    """A row for every so many steps: data loss, regularization loss, learning rate.

    Parameters
    ----------
    path : path-like
        The table. A run that begins writes it anew; one that was resumed goes on after its step.
    every : int
        Steps from row to row.

    Raises
    ------
    ValueError
        Fewer than one step, or, when a run is resumed, a file that is no such table.
    OSError
        While training: the table cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 10) -> None:
        self.path, self.every = Path(path), _checked("CSVLogger", every)
        self._file: FileIO | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the table, with the rows that a resumed run has."""
        rows = self._rows(trainer.steps)
        with (
            atomic_write(self.path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([COLUMNS, *rows])
        # Without a buffer: a killed run keeps its rows, and a full disk is met once, at its row.
        self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115  for the run

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Write a row where it is time to."""
        if trainer.steps % self.every == 0 and self._file is not None:
            row = ",".join(map(str, [trainer.steps, *_numbers(trainer)])) + "\r\n"
            try:
                self._file.write(row.encode())
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self.path)) from error

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the table."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rows(self, steps: int) -> list[list[str]]:
        if not steps or not self.path.exists():
            return []
        with open(self.path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        if tuple(header) != COLUMNS:
            raise ValueError(f"{self.path}: not a table of steps; expected the columns {COLUMNS}")
        # The last row of a killed run may be cut.
        return [row for row in rows if len(row) == len(COLUMNS) and int(row[0]) <= steps]


class TensorBoardLogger(Callback):
    """TensorBoard's event files, written by tensorboardX.

    Scalars ``loss/data``, ``loss/regularization`` and ``learning_rate`` for every so many steps, and
    ``train/…`` and ``validation/…`` loss and accuracy for each epoch, all over the number of steps.

    Parameters
    ----------
    folder : path-like
    every : int
        Steps from one set of scalars to the next.

    Raises
    ------
    ValueError
        Fewer than one step.
    ImportError
        When training starts: tensorboardX is missing.
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 10) -> None:
        self.folder, self.every = Path(folder), _checked("TensorBoardLogger", every)
        self._writer: Any = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open an event file; TensorBoard drops what older ones say of later steps."""
        tensorboard = require("tensorboardX", extra="train")
        resumed = trainer.steps + 1 if trainer.steps else None
        self._writer = tensorboard.SummaryWriter(str(self.folder), purge_step=resumed)

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Write a set of scalars where it is time to."""
        if trainer.steps % self.every == 0:
            names = ("loss/data", "loss/regularization", "learning_rate")
            for name, value in zip(names, _numbers(trainer), strict=True):
                self._writer.add_scalar(name, value, trainer.steps)

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the epoch's measures."""
        for part in ("train", "validation"):
            for measure in ("loss", "accuracy"):
                value = getattr(epoch, f"{part}_{measure}")
                self._writer.add_scalar(f"{part}/{measure}", value, trainer.steps)
        self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _numbers(trainer: Trainer) -> tuple[float, float, float]:
    return trainer.last_loss, trainer.last_penalty, trainer.optimizer.param_groups[0]["lr"]


def _checked(where: str, every: int) -> int:
    if every < 1:
        raise ValueError(f"{where}: every must be at least 1, got {every}")
    return every
