"""What a training run records, an epoch a row."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_cv.files import atomic_write

if TYPE_CHECKING:
    import os


class Epoch(NamedTuple):
    """One epoch: mean loss in nats, accuracies in [0, 1], time in seconds.

    Losses are the data's alone; `train_penalty` is what the regularizer added, on average.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    train_penalty: float = 0.0


class History(list[Epoch]):
    """The epochs of a run, in order."""

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a header and a row for each epoch; the file is whole or absent."""
        with (
            atomic_write(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(Epoch._fields)
            writer.writerows(self)

    @classmethod
    def read_csv(cls, path: str | os.PathLike[str]) -> History:
        """Read what `write_csv` wrote.

        Raises
        ------
        ValueError
            Another header, or a row that is not one of numbers.
        """
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        if not rows or tuple(rows[0]) != Epoch._fields:
            raise ValueError(f"{path}: not a history; expected the columns {Epoch._fields}")
        return cls(Epoch(int(row[0]), *(float(x) for x in row[1:])) for row in rows[1:])
