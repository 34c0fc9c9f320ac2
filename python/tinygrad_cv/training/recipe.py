"""Optimizers, schedules and penalties by name, with what they need filled in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv import optim
from tinygrad_cv.nn import regularizers
from tinygrad_cv.optim import lr_scheduler as schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau


class Update(NamedTuple):
    """An optimizer by name: its class, its usual step size, and its usual momentum if it has one."""

    kind: type[optim.Optimizer]
    lr: float
    momentum: float | None = None
    options: tuple[tuple[str, Any], ...] = ()


OPTIMIZERS = {
    "adam": Update(optim.Adam, 0.003),
    "adamw": Update(optim.AdamW, 0.003),
    "nadam": Update(optim.NAdam, 0.003),
    "sgd": Update(optim.SGD, 0.05, 0.9),
    "nesterov": Update(optim.SGD, 0.05, 0.9, (("nesterov", True),)),
    "rmsprop": Update(optim.RMSprop, 0.001, 0.0),
    "adagrad": Update(optim.Adagrad, 0.02),
    "adadelta": Update(optim.Adadelta, 1.0),
    "lars": Update(optim.LARS, 0.05, 0.9, (("trust_coefficient", 0.1),)),
}


def optimizer_named(
    name: str,
    params: Iterable[Tensor],
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
) -> optim.Optimizer:
    """An optimizer by name; what is None is the name's usual value.

    Raises
    ------
    ValueError
        An unknown name, a momentum for what has none, or an option out of range.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> optimizer_named("sgd", [tg.zeros(1, requires_grad=True)], lr=0.1).param_groups[0]["momentum"]
    0.9
    """
    update = OPTIMIZERS.get(name)
    if update is None:
        raise ValueError(f"optimizer: expected {', '.join(OPTIMIZERS)}, got {name!r}")
    options = {"lr": update.lr if lr is None else lr, **dict(update.options)}
    if weight_decay is not None:
        options["weight_decay"] = weight_decay
    if update.momentum is not None:
        options["momentum"] = update.momentum if momentum is None else momentum
    elif momentum is not None:
        has = [other for other, kind in OPTIMIZERS.items() if kind.momentum is not None]
        raise ValueError(f"optimizer: {name} has no momentum; {', '.join(has)} have")
    return update.kind(params, **options)


def _exponential(optimizer: optim.Optimizer, horizon: int) -> LRScheduler:
    return schedules.ExponentialLR(optimizer, gamma=0.01 ** (1 / horizon))


def _one_cycle(optimizer: optim.Optimizer, horizon: int) -> LRScheduler:
    group = optimizer.param_groups[0]
    moving = bool(group.get("momentum")) or "betas" in group
    return schedules.OneCycleLR(optimizer, group["lr"], horizon, cycle_momentum=moving)


def _cyclic(optimizer: optim.Optimizer, horizon: int) -> LRScheduler:
    top = optimizer.param_groups[0]["lr"]
    half = max(1, round(horizon / 8))
    return schedules.CyclicLR(optimizer, top / 10, top, half, cycle_momentum=False)


def _warm_up(optimizer: optim.Optimizer, horizon: int) -> LRScheduler:
    first = max(1, round(horizon / 10))
    rise = schedules.LinearLR(optimizer, 0.1, total_iters=first)
    fall = schedules.CosineAnnealingLR(optimizer, max(1, horizon - first))
    return schedules.SequentialLR(optimizer, [rise, fall], [first])


def _plateau(optimizer: optim.Optimizer, _horizon: int) -> ReduceLROnPlateau:
    return schedules.ReduceLROnPlateau(optimizer, patience=3)


# Each is made of an optimizer and the number of steps that the schedule will take.
SCHEDULES: dict[str, Callable[[optim.Optimizer, int], LRScheduler | ReduceLROnPlateau | None]] = {
    "constant": lambda _o, _n: None,
    "cosine": schedules.CosineAnnealingLR,  # to 0
    "step": lambda o, n: schedules.StepLR(o, math.ceil(n / 3)),  # to a tenth, twice
    "exponential": _exponential,  # to a hundredth
    "inverse": lambda o, n: schedules.InverseTimeLR(o, 9 / n),  # to a tenth
    "linear": schedules.PolynomialLR,  # to 0
    "polynomial": lambda o, n: schedules.PolynomialLR(o, n, 2.0),  # to 0 on a parabola
    "warmup": _warm_up,  # up for a tenth of the run, then along a cosine
    "onecycle": _one_cycle,  # up for three tenths of it, then down
    "cyclic": _cyclic,  # up and down four times
    "plateau": _plateau,  # to a tenth when the validation loss stops falling
}


def schedule_named(
    name: str, optimizer: optim.Optimizer, horizon: int
) -> LRScheduler | ReduceLROnPlateau | None:
    """A schedule by name, for so many steps of it; None for a constant step size.

    Raises
    ------
    ValueError
        An unknown name, or no step.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule: expected {', '.join(SCHEDULES)}, got {name!r}")
    if horizon < 1:
        raise ValueError(f"schedule: {name} needs at least 1 step, got {horizon}")
    return SCHEDULES[name](optimizer, horizon)


def regularizer_named(text: str) -> regularizers.Regularizer:
    """A penalty from its name and strength: ``l2:1e-4``, ``l1:1e-5`` or ``elastic:1e-5,1e-4``.

    Raises
    ------
    ValueError
        Another name, other than its number of strengths, or one below 0.

    Examples
    --------
    >>> regularizer_named("elastic:1e-5,1e-4")
    ElasticNet(l1=1e-05, l2=0.0001)
    """
    kinds = {"l2": regularizers.L2, "l1": regularizers.L1, "elastic": regularizers.ElasticNet}
    name, _, given = text.partition(":")
    if name in kinds:
        try:
            strengths = [float(number) for number in given.split(",")]
        except ValueError:
            strengths = []
        if len(strengths) == (2 if name == "elastic" else 1):
            return kinds[name](*strengths)
    raise ValueError(
        f"regularizer: expected l2:STRENGTH, l1:STRENGTH or elastic:L1,L2, such as l2:1e-4, got "
        f"{text!r}"
    )
