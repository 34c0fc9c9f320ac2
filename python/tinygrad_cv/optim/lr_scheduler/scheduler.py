"""What all schedules share, and how schedules are put together.

A schedule is a pure function of how often it was stepped: it sets the step size, whatever was set
before, so it does not matter whether it or the optimizer steps first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LRScheduler:
    """Base class: ``lr(base, t, group)`` gives the step size after t steps.

    Step it once an iteration or once an epoch; t counts whichever it is.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' step sizes are set, from now on; what they are now is the base.
    last_epoch : int
        Where to go on from, -1 to begin; then the groups must hold their "initial_lr".

    Attributes
    ----------
    last_epoch : int or float
        t.

    Raises
    ------
    TypeError
        Something that is no optimizer.
    KeyError
        `last_epoch` without "initial_lr" in the groups.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        where = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{where}: optimizer must be an Optimizer, got {optimizer!r}")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{where}: last_epoch={last_epoch} but group {i} has no initial_lr")
        self.last_epoch: float = last_epoch
        self.step()

    def lr(self, base: float, t: float, group: int) -> float:
        """The step size of a group after t steps, if it was `base` before any schedule."""
        raise NotImplementedError(f"{type(self).__name__} must define lr(base, t, group)")

    @property
    def base_lrs(self) -> list[float]:
        """Each group's step size before any schedule."""
        return [group["initial_lr"] for group in self.optimizer.param_groups]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one, or to `epoch`, which may be a fraction."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.apply()

    def apply(self) -> None:
        """Set the optimizer's options to those of the present t."""
        for i, group in enumerate(self.optimizer.param_groups):
            group.setdefault("initial_lr", group["lr"])  # a group may be new
            group["lr"] = self.lr(group["initial_lr"], self.last_epoch, i)

    def get_last_lr(self) -> list[float]:
        """Each group's present step size."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule is, as plain numbers; functions are not part of it."""
        return {"last_epoch": self.last_epoch, "base_lrs": self.base_lrs}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there, and set the step sizes accordingly.

        Raises
        ------
        ValueError
            Another number of groups.
        """
        bases, groups = state_dict["base_lrs"], self.optimizer.param_groups
        if len(bases) != len(groups):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: {len(bases)} step sizes but the optimizer "
                f"has {len(groups)} groups"
            )
        for group, base in zip(groups, bases, strict=True):
            group["initial_lr"] = base
        self.step(state_dict["last_epoch"])


class SequentialLR(LRScheduler):
    """One schedule after the other, each from its own beginning: warm-up, then decay.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRScheduler
        Of the same optimizer.
    milestones : sequence of int
        When the second and each further one begins; ascending.

    Raises
    ------
    ValueError
        None, another optimizer's, or milestones that do not fit.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> from tinygrad_cv.optim.lr_scheduler import CosineAnnealingLR, LinearLR
    >>> sgd = tg.optim.SGD([tg.zeros(1, requires_grad=True)], lr=1.0)
    >>> warm_up = LinearLR(sgd, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(sgd, [warm_up, CosineAnnealingLR(sgd, T_max=4)], milestones=[2])
    >>> for _ in range(4):
    ...     schedule.step()
    >>> sgd.param_groups[0]["lr"]
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self.schedulers = list(schedulers)
        self.milestones = list(milestones)
        check_together("SequentialLR", optimizer, self.schedulers)
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(self.schedulers)} schedulers need "
                f"{len(self.schedulers) - 1} milestones, got {len(self.milestones)}"
            )
        if self.milestones != sorted(set(self.milestones)) or min(self.milestones, default=1) < 1:
            raise ValueError(
                f"SequentialLR: milestones must ascend from at least 1, got {self.milestones}"
            )
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        scheduler, since = self._present(t)
        return scheduler.lr(base, since, group)

    def _present(self, t: float) -> tuple[LRScheduler, float]:
        """The schedule that rules at t, and how long it has."""
        begun = [milestone for milestone in self.milestones if milestone <= t]
        return self.schedulers[len(begun)], t - (begun[-1] if begun else 0)

    def apply(self) -> None:
        scheduler, since = self._present(self.last_epoch)
        scheduler.step(since)  # it may rule more than the step size


class ChainedScheduler(LRScheduler):
    """Several schedules at once: each takes for its base what the one before gives.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
        Of the same optimizer.
    optimizer : Optimizer, optional
        Default: that of the first.

    Raises
    ------
    ValueError
        None, or another optimizer's.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self.schedulers = list(schedulers)
        if optimizer is None and self.schedulers:
            optimizer = self.schedulers[0].optimizer
        check_together("ChainedScheduler", optimizer, self.schedulers)
        assert optimizer is not None
        super().__init__(optimizer)

    def lr(self, base: float, t: float, group: int) -> float:
        for scheduler in self.schedulers:
            base = scheduler.lr(base, t, group)
        return base

    def apply(self) -> None:
        for scheduler in self.schedulers:
            scheduler.step(self.last_epoch)  # it may rule more than the step size
        super().apply()


def check_together(
    where: str, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]
) -> None:
    """Schedules that are put together must be pure, at least one, and of one optimizer."""
    if not schedulers:
        raise ValueError(f"{where}: the list of schedulers is empty")
    for i, scheduler in enumerate(schedulers):
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(
                f"{where}: scheduler {i} must be a schedule of the step count, got "
                f"{type(scheduler).__name__}"
            )
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"{where}: scheduler {i} belongs to another optimizer")


def check_positive(where: str, **values: Any) -> None:
    """The named arguments must be above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{where}: {name} must be above 0, got {value}")


def per_group(where: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A value for each group, from one for all or from a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{where}: {len(value)} values of {name} but {count} parameter groups")
    return list(value)
