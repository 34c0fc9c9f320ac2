"""Schedules that go up and down: cosine, with restarts, one cycle, many cycles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv.optim.lr_scheduler.scheduler import LRScheduler, check_positive, per_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.optim.optimizer import Group, Optimizer


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (lr0 - eta_min) (1 + cos(π t / T_max)) / 2.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        When lr is at `eta_min`; it rises again afterwards.
    eta_min : float
    last_epoch : int
        As `LRScheduler`.

    References
    ----------
    Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        check_positive("CosineAnnealingLR", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from lr0 to `eta_min`, again and again, each `T_mult` times as long.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Length of the first.
    T_mult : int
    eta_min : float
    last_epoch : int
        As `LRScheduler`.

    References
    ----------
    Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if value < 1 or value != int(value):
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: {name} must be an int of at least 1, got {value}"
                )
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def lr(self, base: float, t: float, group: int) -> float:
        length = self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t -= length
            length *= self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / length)) / 2


class _Phase(NamedTuple):
    """A stretch of one cycle; momentum goes the other way."""

    end: float
    lr: tuple[float, float]
    momentum: tuple[float, float]


class OneCycleLR(LRScheduler):
    """Up to `max_lr`, then down to next to nothing, with momentum the other way round.

    Step it after every batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or list
    total_steps : int, optional
        Length of the cycle; else `epochs` times `steps_per_epoch`.
    epochs, steps_per_epoch : int, optional
    pct_start : float
        Share of the way up.
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool
        Whether momentum (or Adam's first beta) goes from `max_momentum` to `base_momentum` and back.
    base_momentum, max_momentum : float or list
    div_factor : float
        The cycle begins at max_lr / div_factor.
    final_div_factor : float
        And ends at a `final_div_factor`-th of that.
    three_phase : bool
        Up, down alike, then to the end; otherwise the way down leads to the end.
    last_epoch : int
        As `LRScheduler`.

    Raises
    ------
    ValueError
        No length, a share outside [0, 1], momentum that the optimizer does not have, or a step
        beyond the end.

    References
    ----------
    Smith & Topin 2018, "Super-convergence: very fast training of neural networks using large
    learning rates".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
        self.total_steps = (
            (epochs or 0) * (steps_per_epoch or 0) if total_steps is None else total_steps
        )
        check_positive("OneCycleLR", total_steps=self.total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self.pct_start, self.anneal_strategy, self.three_phase = (
            pct_start,
            anneal_strategy,
            three_phase,
        )
        self.max_lrs = per_group("OneCycleLR", "max_lr", max_lr, optimizer)
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self.cycle_momentum = cycle_momentum
        self.base_momenta = per_group("OneCycleLR", "base_momentum", base_momentum, optimizer)
        self.max_momenta = per_group("OneCycleLR", "max_momentum", max_momentum, optimizer)
        if cycle_momentum:
            check_has_momentum("OneCycleLR", optimizer)
        super().__init__(optimizer, last_epoch)

    def _phases(self, group: int) -> list[_Phase]:
        top, total = self.max_lrs[group], self.total_steps
        start = top / self.div_factor
        end = start / self.final_div_factor
        low, high = self.base_momenta[group], self.max_momenta[group]
        up = _Phase(self.pct_start * total - 1, (start, top), (high, low))
        if not self.three_phase:
            return [up, _Phase(total - 1, (top, end), (low, high))]
        return [
            up,
            _Phase(2 * self.pct_start * total - 2, (top, start), (low, high)),
            _Phase(total - 1, (start, end), (high, high)),
        ]

    def _at(self, t: float, group: int) -> tuple[float, float]:
        """Step size and momentum."""
        if t > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {t} lies beyond the cycle's total_steps={self.total_steps}"
            )
        begin: float = 0
        phases = self._phases(group)
        phase = next((p for p in phases if t <= p.end), phases[-1])
        if phase is not phases[0]:
            begin = phases[phases.index(phase) - 1].end
        share = (t - begin) / (phase.end - begin)
        return self._between(*phase.lr, share), self._between(*phase.momentum, share)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def lr(self, base: float, t: float, group: int) -> float:
        return self._at(t, group)[0]

    def apply(self) -> None:
        super().apply()
        if self.cycle_momentum:
            for i, group in enumerate(self.optimizer.param_groups):
                set_momentum(group, self._at(self.last_epoch, i)[1])


class CyclicLR(LRScheduler):
    """Up and down between `base_lr` and `max_lr` on straight lines, with momentum the other way.

    Step it after every batch.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float or list
    step_size_up : int
        Steps on the way up.
    step_size_down : int, optional
        Steps on the way down; default as many.
    mode : {"triangular", "triangular2", "exp_range"}
        Whether the height stays, halves with each cycle, or shrinks by gamma with each step.
    gamma : float
    scale_fn : function, optional
        The height instead of `mode`, from the cycle (from 1) or the step.
    scale_mode : {"cycle", "iterations"}
        Which of the two `scale_fn` takes.
    cycle_momentum : bool
        Whether momentum (or Adam's first beta) goes from `max_momentum` to `base_momentum` and back.
    base_momentum, max_momentum : float or list
    last_epoch : int
        As `LRScheduler`.

    References
    ----------
    Smith 2017, "Cyclical learning rates for training neural networks".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_positive("CyclicLR", step_size_up=step_size_up)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}"
            )
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(
                f"CyclicLR: scale_mode must be 'cycle' or 'iterations', got {scale_mode!r}"
            )
        self.floors = per_group("CyclicLR", "base_lr", base_lr, optimizer)
        self.max_lrs = per_group("CyclicLR", "max_lr", max_lr, optimizer)
        self.up = step_size_up
        self.length = step_size_up + (step_size_up if step_size_down is None else step_size_down)
        self.mode, self.gamma = mode, gamma
        self.scale_fn, self.scale_mode = scale_fn, scale_mode
        self.cycle_momentum = cycle_momentum
        self.base_momenta = per_group("CyclicLR", "base_momentum", base_momentum, optimizer)
        self.max_momenta = per_group("CyclicLR", "max_momentum", max_momentum, optimizer)
        if cycle_momentum:
            check_has_momentum("CyclicLR", optimizer)
        super().__init__(optimizer, last_epoch)

    def _height(self, t: float) -> float:
        """How far up, from 0 to what the mode allows."""
        cycle = math.floor(1 + t / self.length)
        within = 1 + t / self.length - cycle
        peak = self.up / self.length
        height = within / peak if within <= peak else (within - 1) / (peak - 1)
        if self.scale_fn is not None:
            return height * self.scale_fn(cycle if self.scale_mode == "cycle" else t)
        if self.mode == "exp_range":
            return float(height * self.gamma**t)
        return height / 2 ** (cycle - 1) if self.mode == "triangular2" else height

    def lr(self, base: float, t: float, group: int) -> float:
        low = self.floors[group]
        return float(low + (self.max_lrs[group] - low) * self._height(t))

    def apply(self) -> None:
        super().apply()
        if self.cycle_momentum:
            height = self._height(self.last_epoch)
            for i, group in enumerate(self.optimizer.param_groups):
                high, low = self.max_momenta[i], self.base_momenta[i]
                set_momentum(group, high - (high - low) * height)


def check_has_momentum(where: str, optimizer: Optimizer) -> None:
    """The optimizer must have momentum or betas."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            f"{where}: {type(optimizer).__name__} has no momentum to cycle; use "
            "cycle_momentum=False"
        )


def set_momentum(group: Group, value: Any) -> None:
    """Set a group's momentum, or the first of its betas."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value
