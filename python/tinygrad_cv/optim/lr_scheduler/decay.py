"""Schedules that go one way: steps, powers, lines, and any function."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING, Any

from tinygrad_cv.optim.lr_scheduler.scheduler import LRScheduler, check_positive, per_group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tinygrad_cv.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """lr = lr0 f(t).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : function, or one for each group
        f.
    last_epoch : int
        As `LRScheduler`.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.lr_lambdas: list[Callable[[float], float]] = per_group(
            "LambdaLR", "lr_lambda", lr_lambda, optimizer
        )
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return base * self.lr_lambdas[group](t)


class StepLR(LRScheduler):
    """lr = lr0 gamma^floor(t / step_size): a drop every `step_size`.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float
    last_epoch : int
        As `LRScheduler`.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> sgd = tg.optim.SGD([tg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(sgd, step_size=2, gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        check_positive("StepLR", step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return float(base * self.gamma ** (t // self.step_size))


class MultiStepLR(LRScheduler):
    """lr = lr0 gamma^(number of milestones reached).

    Parameters
    ----------
    optimizer : Optimizer
    milestones : sequence of int
        One that is named twice counts twice.
    gamma : float
    last_epoch : int
        As `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return float(base * self.gamma ** bisect.bisect_right(self.milestones, t))


class ExponentialLR(LRScheduler):
    """lr = lr0 gamma^t, or, said with `k`, lr = lr0 e^(-k t).

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float, optional
    last_epoch : int
        As `LRScheduler`.
    k : float, optional
        gamma = e^-k; give one of the two.

    Raises
    ------
    ValueError
        Neither or both of `gamma` and `k`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float | None = None,
        last_epoch: int = -1,
        *,
        k: float | None = None,
    ) -> None:
        if (gamma is None) == (k is None):
            raise ValueError(f"ExponentialLR: give gamma or k, got gamma={gamma}, k={k}")
        self.gamma = gamma if k is None else math.exp(-k)
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        assert self.gamma is not None
        return float(base * self.gamma**t)


class InverseTimeLR(LRScheduler):
    """lr = lr0 / (1 + k t).

    Parameters
    ----------
    optimizer : Optimizer
    k : float
    last_epoch : int
        As `LRScheduler`.

    Raises
    ------
    ValueError
        A k below 0.
    """

    def __init__(self, optimizer: Optimizer, k: float, last_epoch: int = -1) -> None:
        if not k >= 0:
            raise ValueError(f"InverseTimeLR: k must be at least 0, got {k}")
        self.k = k
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return base / (1 + self.k * t)


class ConstantLR(LRScheduler):
    """lr = lr0 factor before `total_iters`, lr0 from there on.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        In [0, 1].
    total_iters : int
    last_epoch : int
        As `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be in [0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return base * self.factor if t < self.total_iters else base


class LinearLR(LRScheduler):
    """lr = lr0 times a factor that goes on a line from `start_factor` to `end_factor`: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        In (0, 1].
    end_factor : float
        In [0, 1].
    total_iters : int
        When the line ends.
    last_epoch : int
        As `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be in [0, 1], got {end_factor}")
        check_positive("LinearLR", total_iters=total_iters)
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        share = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class PolynomialLR(LRScheduler):
    """lr = lr0 (1 - t / total_iters)^power, 0 from `total_iters` on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
    power : float
    last_epoch : int
        As `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        check_positive("PolynomialLR", total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return float(base * (1 - min(t, self.total_iters) / self.total_iters) ** self.power)
