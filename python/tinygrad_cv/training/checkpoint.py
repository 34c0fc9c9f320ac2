"""Checkpoints: the state of a run in one file, written whole or not at all, and taken up again."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import to_host
from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.optional import require
from tinygrad_cv.serialization import load, load_metadata, save
from tinygrad_cv.training.trainer import Callback

if TYPE_CHECKING:
    import os

    from tinygrad_cv.training.history import Epoch
    from tinygrad_cv.training.trainer import Trainer

BEST = "best.safetensors"
PATTERN = "step-*.safetensors"
ARRAY = "$array"  # stands in the JSON text for an array of that name


class Checkpoint(Callback):
    """Keeps the state of a run in a folder: the newest files, and the best epoch's.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    every : int, optional
        Also write after so many steps; without it after each epoch only.
    keep : int
        How many of the newest files stay.
    best : {"validation_accuracy", "validation_loss", None}
        By what the best epoch is told; it is kept in ``best.safetensors``.
    options : mapping of str to numbers, texts, lists or None, optional
        What the run was started with, by the names that a user knows; kept for `resume` to compare.

    Raises
    ------
    ValueError
        Numbers below 1, or another measure.
    OSError
        When training starts: the folder cannot be written to. While training: the file cannot be
        written. Those that are there stay as they are.

    Notes
    -----
    A file is safetensors: weights and the optimizer's arrays as tensors, all else as JSON text beside
    them. Nothing in it is code. It is written under a temporary name, synced and renamed; older ones are
    removed afterwards. Give it as the last callback, so that the others' state of the step is in it.

    Examples
    --------
    >>> import tempfile, tinygrad_cv as tg
    >>> data = tg.data.TensorDataset(tg.rand(32, 4), tg.randint(3, (32,)))
    >>> def trainer(folder):
    ...     model = tg.nn.Linear(4, 3)
    ...     sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    ...     return tg.training.Trainer(model, sgd, callbacks=[Checkpoint(folder)])
    >>> folder, batches = tempfile.mkdtemp(), tg.data.DataLoader(data, 8, shuffle=True, seed=0)
    >>> _ = trainer(folder).fit(batches, batches, epochs=2)
    >>> second = trainer(folder)
    >>> resume(second, folder).name, len(second.history)
    ('step-00000008.safetensors', 2)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: int | None = None,
        keep: int = 2,
        best: str | None = "validation_accuracy",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("every", every), ("keep", keep)):
            if value is not None and value < 1:
                raise ValueError(f"Checkpoint: {name} must be at least 1, got {value}")
        if best not in ("validation_accuracy", "validation_loss", None):
            raise ValueError(
                f"Checkpoint: best must be 'validation_accuracy', 'validation_loss' or None, got "
                f"{best!r}"
            )
        self.folder, self.every, self.keep, self.best = Path(folder), every, keep, best
        self.options = dict(options or {})
        self.best_value: float | None = None
        self._another: list[Path] = []  # files of a run that this one does not go on from

    def on_fit_start(self, trainer: Trainer) -> None:
        """Try folder and package before any time is spent; take away what a kill left half written.

        A run that begins anew replaces the files that are there, but not before it has its first.
        """
        require("safetensors.numpy", extra="train")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.folder)) from error
        if not trainer.steps:
            self._another = [*self.folder.glob(PATTERN), *self.folder.glob(BEST)]
        for path in self.folder.glob(".tmp-*.safetensors"):
            path.unlink(missing_ok=True)

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Write where it is time to."""
        if self.every is not None and trainer.steps % self.every == 0:
            self._write(trainer)

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write, and once more where the epoch is the best so far."""
        if self._is_better(epoch):  # first: a kill in between then costs nothing
            best = self.folder / BEST
            write_checkpoint(best, self._state(trainer))
            self._another = [path for path in self._another if path != best]
        self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"best_value": self.best_value}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.best_value = state_dict["best_value"]

    def _is_better(self, epoch: Epoch) -> bool:
        if self.best is None:
            return False
        value = getattr(epoch, self.best)
        sign = 1 if self.best == "validation_accuracy" else -1
        if self.best_value is not None and sign * value <= sign * self.best_value:
            return False
        self.best_value = value
        return not math.isnan(value)

    def _state(self, trainer: Trainer) -> dict[str, Any]:
        return {**trainer.state_dict(), "options": self.options}

    def _write(self, trainer: Trainer) -> None:
        newest = self.folder / f"step-{trainer.steps:08d}.safetensors"
        write_checkpoint(newest, self._state(trainer))
        for path in self._another:
            if path != newest:
                path.unlink(missing_ok=True)
        self._another = []
        for path in sorted(self.folder.glob(PATTERN))[: -self.keep]:
            path.unlink()


def resume(
    trainer: Trainer,
    folder: str | os.PathLike[str],
    options: Mapping[str, Any] | None = None,
) -> Path | None:
    """Let a trainer go on from the newest whole checkpoint in a folder.

    Parameters
    ----------
    trainer : Trainer
        Made as the one that wrote it.
    folder : path-like
    options : mapping, optional
        What this run was started with, as in `Checkpoint`: those that both have must be equal.

    Returns
    -------
    Path or None
        The file; None where the folder has no checkpoint.

    Warns
    -----
    UserWarning
        A newer file is damaged, and left out.

    Raises
    ------
    ValueError
        All are damaged, or the newest whole one is another run's; an option that differs is named.
    """
    paths = sorted(Path(folder).glob(PATTERN), reverse=True)
    damaged = []
    for path in paths:
        try:
            state = read_checkpoint(path)
        except ValueError as error:
            damaged.append(str(error))
            continue
        for message in damaged:
            warnings.warn(f"{message}; going on from {path.name}", stacklevel=2)
        try:
            _check_options(state.get("options", {}), options or {})
            trainer.load_state_dict(state)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return path
    if damaged:
        raise ValueError(f"resume: no whole checkpoint is left in {folder}: {damaged[0]}")
    return None


def _check_options(kept: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    for name, value in own.items():
        if name in kept and kept[name] != value:
            raise ValueError(
                f"the run there was started {_given(name, kept[name])}, this one "
                f"{_given(name, value)}; go on with what it had, or start another run elsewhere"
            )


def _given(name: str, value: Any) -> str:
    return f"without {name}" if value is None else f"with {name} {value}"


def write_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of numbers, texts and arrays as one safetensors file.

    Raises
    ------
    TypeError
        A value of another kind.
    OSError
        A file that cannot be written; what was there stays.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.safetensors"
    >>> write_checkpoint(path, {"steps": 3, "weights": [np.ones(2)]})
    >>> read_checkpoint(path)
    {'steps': 3, 'weights': [array([1., 1.])]}
    """
    arrays: dict[str, Any] = {}
    text = json.dumps(_taken_apart(state, "", arrays))
    save(arrays, path, {"state": text})


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `write_checkpoint` wrote; keys are texts and tuples are lists.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A file that is cut, or was written by something else.
    """
    try:
        text = load_metadata(path)["state"]
        return _put_together(json.loads(text), load(path))
    except KeyError as error:
        raise ValueError(f"{path}: not a checkpoint of a training run") from error


def _taken_apart(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """The value with its arrays moved to `arrays`, under their paths."""
    value = to_host(value.array if isinstance(value, Tensor) else value)
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, Mapping):
        return {
            str(k): _taken_apart(v, f"{name}/{k}" if name else str(k), arrays)
            for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_taken_apart(v, f"{name}/{i}", arrays) for i, v in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"write_checkpoint: {name} must be a number, a text or an array, got {type(value).__name__}"
    )


def _put_together(value: Any, arrays: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {ARRAY}:
            return arrays[value[ARRAY]].array
        return {k: _put_together(v, arrays) for k, v in value.items()}
    if isinstance(value, list):
        return [_put_together(v, arrays) for v in value]
    return value
