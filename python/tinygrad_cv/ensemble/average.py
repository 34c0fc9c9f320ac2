"""One network whose parameters are the running average of a run's: it predicts once."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.ensemble.snapshots import Snapshots, copied
from tinygrad_cv.ensemble.voting import Ensemble, Report
from tinygrad_cv.training import Callback, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tinygrad_cv.nn import Module
    from tinygrad_cv.training import Epoch, Trainer


class WeightAverage(Callback):
    """Averages the parameters along a run, and makes a network of them.

    Parameters
    ----------
    decay : float, optional
        Share of the past in an exponential moving average, taken after each step (EMA), with a
        warm-up; without it the plain mean of the weights after each epoch (SWA).
    start : int
        Epochs that are left out: the average begins with the weights after them.
    members : int
        So many of the newest epochs' weights are kept to compare with.

    Raises
    ------
    ValueError
        A decay outside [0, 1), or numbers below 0; when asked for, an average that was not begun.

    Notes
    -----
    EMA: a ← d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t)) after t steps. SWA: a ← a +
    (w - a) / n after n epochs. Statistics of batch norm belong to the parameters that they were taken
    with, so they are estimated anew, by going through training images.

    References
    ----------
    Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; Izmailov et al.
    2018, "Averaging weights leads to wider optima and better generalization".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> data = tg.data.TensorDataset(tg.rand(32, 4), tg.randint(3, (32,)))
    >>> batches, model, average = tg.data.DataLoader(data, 8), tg.nn.Linear(4, 3), WeightAverage()
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> _ = tg.training.Trainer(model, sgd, callbacks=[average]).fit(batches, batches, 3)
    >>> average.model(model, batches)
    Linear(in_features=4, out_features=3, bias=True)
    """

    def __init__(self, decay: float | None = None, start: int = 0, members: int = 5) -> None:
        if decay is not None and not 0 <= decay < 1:
            raise ValueError(f"WeightAverage: decay must be in [0, 1), got {decay}")
        if start < 0:
            raise ValueError(f"WeightAverage: start must be at least 0, got {start}")
        self.decay, self.start = decay, start
        self.count = 0
        self.average: dict[str, NDArray[Any]] = {}
        self.snapshots = Snapshots(keep=members)

    def on_batch_end(self, trainer: Trainer, images: int) -> None:
        """Take the step's weights into an exponential average."""
        if self.decay is not None and len(trainer.history) >= self.start:
            self.count += 1
            warm = (1 + self.count) / (10 + self.count)
            self._take(trainer.model, 1 - min(self.decay, warm))

    def on_epoch_end(self, trainer: Trainer, epoch: Epoch) -> None:
        """Take the epoch's weights into a plain mean, and keep them as a member."""
        if epoch.epoch > self.start:
            self.snapshots.on_epoch_end(trainer, epoch)
            if self.decay is None:
                self.count += 1
                self._take(trainer.model, 1 / self.count)

    def _take(self, model: Module, share: float) -> None:
        if not self.average:
            self.average = {name: p.array.copy() for name, p in model.named_parameters()}
        for name, parameter in model.named_parameters():
            own = self.average[name]
            own += share * (parameter.array - own)

    def state_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "average": self.average,
            "snapshots": self.snapshots.state_dict(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.count = state_dict["count"]
        self.average = {name: np.array(a) for name, a in state_dict["average"].items()}
        self.snapshots.load_state_dict(state_dict["snapshots"])

    def model(self, like: Module, batches: Iterable[Any]) -> Module:
        """A network as `like` with the averaged parameters.

        Parameters
        ----------
        like : Module
            Stays as it is.
        batches : iterable of (images, labels)
            Training images, for the statistics of batch norm.
        """
        if not self.average:
            raise ValueError("WeightAverage: no weights were averaged yet; train beyond `start`")
        made = copy.deepcopy(like)
        made.load_state_dict({**copied(like), **self.average})
        update_bn(batches, made)
        return made

    def evaluate(self, like: Module, batches: Iterable[Any], data: Any) -> Report:
        """Accuracy on `data` of the kept epochs' weights, one by one, and of the averaged network.

        Parameters
        ----------
        like, batches
            As for `model`.
        data : DataLoader
            Images and labels to measure on.
        """
        members = Ensemble.from_states(like, self.snapshots.states).members
        accuracies = [evaluate(member, data).accuracy for member in members]
        return Report(accuracies, evaluate(self.model(like, batches), data).accuracy)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Estimate the running statistics of batch norm anew, as ``torch.optim.swa_utils.update_bn``.

    Parameters
    ----------
    loader : iterable of (images, labels) or of images
    model : Module
        Its parameters stay as they are; statistics become the mean over all batches.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> norm = tg.nn.BatchNorm1d(1)
    >>> update_bn([tg.tensor([[1.0], [3.0]])], norm)
    >>> norm.running_mean.item()
    2.0
    """
    norms: list[Any] = [m for m in model.modules() if getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()  # nothing is dropped
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for batch in loader:
            model(batch[0] if isinstance(batch, (tuple, list)) else batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
