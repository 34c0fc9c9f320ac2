"""Callbacks that write the numbers of a run to files: a table, or TensorBoard's events."""

from __future__ import annotations

import csv
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require
from tinygrad_cv.training.trainer import Callback

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
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
    OSError
        While training: the events cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 10) -> None:
        self.folder, self.every = Path(folder), _checked("TensorBoardLogger", every)
        self._events: EventFile | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open an event file; TensorBoard drops what older ones say of later steps."""
        self._events = EventFile(self.folder)
        if trainer.steps:
            self._events.purge(trainer.steps + 1)

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Write a set of scalars where it is time to."""
        if trainer.steps % self.every == 0 and self._events is not None:
            names = ("loss/data", "loss/regularization", "learning_rate")
            self._events.write(trainer.steps, dict(zip(names, _numbers(trainer), strict=True)))

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the epoch's measures."""
        if self._events is not None:
            measures = {
                f"{part}/{measure}": getattr(epoch, f"{part}_{measure}")
                for part in ("train", "validation")
                for measure in ("loss", "accuracy")
            }
            self._events.write(trainer.steps, measures)
            self._events.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the event file."""
        if self._events is not None:
            events, self._events = self._events, None
            events.close()


class EventFile:
    """Scalars for TensorBoard, written by the thread that has them.

    tensorboardX's SummaryWriter hands them to a thread of its own: where the disk is full, that thread
    ends, and the run waits for ever once their queue is full.

    Raises
    ------
    ImportError
        tensorboardX is missing.
    OSError
        Of every method: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        require("tensorboardX", extra="train")
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.record_writer import RecordWriter
        from tensorboardX.summary import scalar

        self._event, self._session, self._scalar = Event, SessionLog, scalar
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        with self._named():
            self._records = RecordWriter(str(self._path))
        self._write(file_version="brain.Event:2")

    def purge(self, step: int) -> None:
        """Have TensorBoard drop what older files say of this step and later ones."""
        self._write(step=step, session_log=self._session(status=self._session.START))

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """A set of named numbers of a step."""
        for name, value in scalars.items():
            self._write(step=step, summary=self._scalar(name, value))

    def flush(self) -> None:
        """Bring to the disk what was written."""
        with self._named():
            self._records.flush()

    def close(self) -> None:
        """Flush and close."""
        with self._named():
            self._records.close()

    def _write(self, **content: Any) -> None:
        event = self._event(wall_time=time.time(), **content)
        with self._named():
            self._records.write(event.SerializeToString())

    @contextmanager
    def _named(self) -> Iterator[None]:
        """An error that names the file."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def _numbers(trainer: Trainer) -> tuple[float, float, float]:
    return trainer.last_loss, trainer.last_penalty, trainer.optimizer.param_groups[0]["lr"]


def _checked(where: str, every: int) -> int:
    if every < 1:
        raise ValueError(f"{where}: every must be at least 1, got {every}")
    return every
