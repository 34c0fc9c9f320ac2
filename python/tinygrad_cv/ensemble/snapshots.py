"""Snapshots: the states that one run went through, as members of an ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.ensemble.voting import Ensemble
from tinygrad_cv.training import Callback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinygrad_cv.nn import Module
    from tinygrad_cv.training import Epoch, Trainer


class Snapshots(Callback):
    """Copies of the weights after every so many epochs, the newest of them.

    Parameters
    ----------
    every : int
        Epochs from one to the next; best at the ends of a cyclic schedule's cycles.
    keep : int
        How many of the newest stay.

    Raises
    ------
    ValueError
        Numbers below 1.

    References
    ----------
    Huang et al. 2017, "Snapshot ensembles: train 1, get M for free".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> data = tg.data.TensorDataset(tg.rand(32, 4), tg.randint(3, (32,)))
    >>> batches, model, snapshots = tg.data.DataLoader(data, 8), tg.nn.Linear(4, 3), Snapshots()
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> _ = tg.training.Trainer(model, sgd, callbacks=[snapshots]).fit(batches, batches, 3)
    >>> len(snapshots.ensemble(model).members)
    3
    """

    def __init__(self, every: int = 1, keep: int = 5) -> None:
        for name, value in (("every", every), ("keep", keep)):
            if value < 1:
                raise ValueError(f"Snapshots: {name} must be at least 1, got {value}")
        self.every, self.keep = every, keep
        self.states: list[dict[str, Any]] = []

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Take a copy where it is time to."""
        if epoch.epoch % self.every == 0:
            self.states = [*self.states, copied(trainer.model)][-self.keep :]

    def state_dict(self) -> dict[str, Any]:
        return {"states": self.states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.states = [dict(state) for state in state_dict["states"]]

    def ensemble(self, model: Module) -> Ensemble:
        """Networks as `model` with the kept weights, which average their probabilities."""
        return Ensemble.from_states(model, self.states)


def copied(model: Module) -> dict[str, Any]:
    """The values of a model's parameters and buffers, as arrays of their own."""
    return {name: tensor.array.copy() for name, tensor in model.state_dict().items()}
