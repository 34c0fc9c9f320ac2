"""Schedules: each formula, what is put together, going on from a saved state, errors."""

from __future__ import annotations

import math

import pytest

import tinygrad_cv as tg
from tinygrad_cv import optim
from tinygrad_cv.optim import lr_scheduler as schedules


def sgd(*rates, **options):
    rates = rates or (0.5,)
    groups = [{"params": tg.zeros(1, requires_grad=True), "lr": rate} for rate in rates]
    return optim.SGD(groups, **options)


def rates(schedule, steps):
    """The first group's step sizes from t = 0."""
    seen = []
    for _ in range(steps):
        seen.append(schedule.get_last_lr()[0])
        schedule.step()
    return seen


def sawtooth(t):
    """How far on in stretches of 2, 4 and 8 steps."""
    return t / 2 if t < 2 else (t - 2) / 4 if t < 6 else (t - 6) / 8


FORMULAS = {
    "step": (lambda o: schedules.StepLR(o, 3, 0.1), lambda t: 0.5 * 0.1 ** (t // 3)),
    "multistep": (
        lambda o: schedules.MultiStepLR(o, [5, 2, 5], 0.5),
        lambda t: 0.5 * (1 if t < 2 else 0.5 if t < 5 else 0.125),
    ),
    "gamma": (lambda o: schedules.ExponentialLR(o, 0.9), lambda t: 0.5 * 0.9**t),
    "k": (lambda o: schedules.ExponentialLR(o, k=0.2), lambda t: 0.5 * math.exp(-0.2 * t)),
    "inverse": (lambda o: schedules.InverseTimeLR(o, 0.3), lambda t: 0.5 / (1 + 0.3 * t)),
    "constant": (
        lambda o: schedules.ConstantLR(o, 0.2, 4),
        lambda t: 0.1 if t < 4 else 0.5,
    ),
    "linear": (
        lambda o: schedules.LinearLR(o, 0.2, 0.8, 5),
        lambda t: 0.5 * (0.2 + 0.6 * min(t, 5) / 5),
    ),
    "polynomial": (
        lambda o: schedules.PolynomialLR(o, 6, 2.0),
        lambda t: 0.5 * max(0, 1 - t / 6) ** 2,
    ),
    "lambda": (lambda o: schedules.LambdaLR(o, lambda t: 1 / (t + 1)), lambda t: 0.5 / (t + 1)),
    "cosine": (
        lambda o: schedules.CosineAnnealingLR(o, 7, 0.1),
        lambda t: 0.1 + 0.4 * (1 + math.cos(math.pi * t / 7)) / 2,
    ),
    "restarts": (
        lambda o: schedules.CosineAnnealingWarmRestarts(o, 2, 2, 0.1),
        lambda t: 0.1 + 0.2 * (1 + math.cos(math.pi * sawtooth(t))),
    ),
    "cyclic": (
        lambda o: schedules.CyclicLR(o, 0.1, 0.5, 4),
        lambda t: 0.1 + 0.4 * (1 - abs(t % 8 / 4 - 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    make, formula = FORMULAS[name]
    assert rates(make(sgd()), 12) == pytest.approx([formula(t) for t in range(12)])


@pytest.mark.parametrize("name", FORMULAS)
def test_a_saved_schedule_goes_on(name):
    make, formula = FORMULAS[name]
    schedule = make(sgd())
    rates(schedule, 5)
    restored = make(sgd(99.0))
    restored.load_state_dict(schedule.state_dict())
    assert restored.get_last_lr() == pytest.approx([formula(5)])
    restored.step()
    assert restored.get_last_lr() == pytest.approx([formula(6)])


@pytest.mark.parametrize("name", FORMULAS)
def test_last_epoch_goes_on_from_the_groups_initial_lr(name):
    make, formula = FORMULAS[name]
    optimizer = sgd()
    rates(make(optimizer), 5)
    fresh = make(optimizer)
    fresh.step(7)
    assert fresh.get_last_lr() == pytest.approx([formula(7)])


def test_groups_keep_their_own_base_also_a_late_one():
    optimizer = sgd(1.0, 0.1)
    schedule = schedules.StepLR(optimizer, 1, 0.5)
    schedule.step()
    optimizer.add_param_group({"params": tg.zeros(1, requires_grad=True), "lr": 8.0})
    schedule.step()
    assert schedule.get_last_lr() == [0.25, 0.025, 2.0]
    assert schedule.base_lrs == [1.0, 0.1, 8.0]


def test_what_was_set_by_hand_does_not_matter():
    optimizer = sgd(1.0)
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 77.0
    schedule.step()
    assert schedule.get_last_lr() == [0.5]


def test_steps_may_be_fractions_of_an_epoch():
    schedule = schedules.CosineAnnealingWarmRestarts(sgd(1.0), 4)
    schedule.step(5.5)
    assert schedule.get_last_lr() == pytest.approx([(1 + math.cos(math.pi * 1.5 / 4)) / 2])


def test_warm_up_then_decay():
    optimizer = sgd(1.0)
    schedule = schedules.SequentialLR(
        optimizer,
        [
            schedules.LinearLR(optimizer, 0.25, total_iters=3),
            schedules.ExponentialLR(optimizer, 0.5),
        ],
        milestones=[3],
    )
    assert rates(schedule, 6) == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.5, 0.25])


def test_a_chain_multiplies():
    optimizer = sgd(1.0)
    schedule = schedules.ChainedScheduler(
        [schedules.ConstantLR(optimizer, 0.5, 2), schedules.ExponentialLR(optimizer, 0.1)]
    )
    assert rates(schedule, 4) == pytest.approx([0.5, 0.05, 0.01, 0.001])


def test_one_cycle_moves_momentum_the_other_way_and_ends():
    optimizer = sgd(momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 1.0, epochs=2, steps_per_epoch=5, pct_start=0.3)
    seen = []
    for _ in range(10):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["momentum"]))
        schedule.step()
    assert seen[0] == pytest.approx((1 / 25, 0.95))
    assert seen[2] == pytest.approx((1.0, 0.85))
    assert seen[9] == pytest.approx((1 / 25 / 1e4, 0.95))
    assert [r for r, _ in seen[2:]] == sorted([r for r, _ in seen[2:]], reverse=True)
    with pytest.raises(ValueError, match="step 11 lies beyond the cycle's total_steps=10"):
        schedule.step()


def test_cycles_turn_adams_first_beta():
    adam = optim.Adam([tg.zeros(1, requires_grad=True)])
    schedule = schedules.CyclicLR(adam, 0.1, 0.2, 2)
    schedule.step()
    assert adam.param_groups[0]["betas"] == pytest.approx((0.85, 0.999))
    schedules.SequentialLR(adam, [schedule, schedules.ExponentialLR(adam, 1.0)], [4]).step(2)
    assert adam.param_groups[0]["betas"] == pytest.approx((0.8, 0.999))
    schedules.ChainedScheduler([schedule]).step(3)
    assert adam.param_groups[0]["betas"] == pytest.approx((0.85, 0.999))


def test_plateau_waits_reduces_and_cools_down():
    optimizer = sgd(1.0)
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=1, cooldown=2, min_lr=0.02)
    seen = []
    for loss in [5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, tg.tensor(3.0)]:
        schedule.step(loss)
        seen.append(schedule.get_last_lr()[0])
    # 4 again twice: reduced; two steps of rest; twice again: reduced to no less than 0.02.
    assert seen == pytest.approx([1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02])


@pytest.mark.parametrize(
    ("options", "values", "better"),
    [
        ({"mode": "min", "threshold": 0.1}, [1.0, 0.91], False),
        ({"mode": "min", "threshold": 0.1}, [1.0, 0.89], True),
        ({"mode": "max", "threshold": 0.1}, [1.0, 1.09], False),
        ({"mode": "max", "threshold": 0.1}, [1.0, 1.11], True),
        ({"mode": "min", "threshold": 0.5, "threshold_mode": "abs"}, [2.0, 1.6], False),
        ({"mode": "max", "threshold": 0.5, "threshold_mode": "abs"}, [2.0, 2.6], True),
        ({"mode": "min"}, [1.0, float("nan")], False),
    ],
    ids=str,
)
def test_plateau_knows_what_is_better(options, values, better):
    schedule = schedules.ReduceLROnPlateau(sgd(1.0), patience=0, **options)
    for value in values:
        schedule.step(value)
    assert (schedule.get_last_lr() == [1.0]) is better


def test_plateau_goes_on_from_a_saved_state_and_leaves_out_tiny_reductions():
    schedule = schedules.ReduceLROnPlateau(sgd(1e-9), patience=1)
    schedule.step(1.0)
    schedule.step(1.0)
    restored = schedules.ReduceLROnPlateau(sgd(1.0), patience=1)
    restored.load_state_dict(schedule.state_dict())
    for s in (schedule, restored):
        s.step(1.0)
    assert schedule.get_last_lr() == [1e-9]
    assert restored.get_last_lr() == [0.1]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: schedules.StepLR(o, 0), ValueError, "StepLR: step_size must be above 0, got 0"),
        (lambda o: schedules.StepLR(3, 1), TypeError, "optimizer must be an Optimizer, got 3"),
        (lambda o: schedules.StepLR(o, 1, last_epoch=4), KeyError, "group 0 has no initial_lr"),
        (lambda o: schedules.ExponentialLR(o), ValueError, "give gamma or k, got gamma=None, k=No"),
        (lambda o: schedules.ExponentialLR(o, 0.9, k=0.1), ValueError, "gamma=0.9, k=0.1"),
        (lambda o: schedules.InverseTimeLR(o, -1.0), ValueError, "k must be at least 0, got -1.0"),
        (lambda o: schedules.ConstantLR(o, 2.0), ValueError, r"factor must be in \[0, 1\], got 2.0"),
        (lambda o: schedules.LinearLR(o, 0.0), ValueError, r"start_factor must be in \(0, 1\]"),
        (lambda o: schedules.LinearLR(o, 1.0, 2.0), ValueError, r"end_factor must be in \[0, 1\]"),
        (lambda o: schedules.LinearLR(o, total_iters=0), ValueError, "total_iters must be above 0"),
        (lambda o: schedules.PolynomialLR(o, -1), ValueError, "total_iters must be above 0, got -1"),
        (lambda o: schedules.CosineAnnealingLR(o, 0), ValueError, "T_max must be above 0, got 0"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0 must be an int of"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 2, 1.5), ValueError, "T_mult must be"),
        (lambda o: schedules.LambdaLR(o, [abs, abs]), ValueError,
         "2 values of lr_lambda but 1 parameter groups"),
        (lambda o: schedules.OneCycleLR(o, 1.0), ValueError, "give total_steps, or epochs and"),
        (lambda o: schedules.OneCycleLR(o, 1.0, 0), ValueError, "total_steps must be above 0"),
        (lambda o: schedules.OneCycleLR(o, 1.0, 9, pct_start=2), ValueError, r"in \[0, 1\], got 2"),
        (lambda o: schedules.OneCycleLR(o, 1.0, 9, anneal_strategy="up"), ValueError, "got 'up'"),
        (lambda o: schedules.CyclicLR(o, 0.1, 1.0, 0), ValueError, "step_size_up must be above 0"),
        (lambda o: schedules.CyclicLR(o, 0.1, 1.0, mode="saw"), ValueError, "got 'saw'"),
        (lambda o: schedules.CyclicLR(o, 0.1, 1.0, scale_mode="x"), ValueError, "'iterations', got 'x'"),
        (lambda o: schedules.OneCycleLR(optim.Adagrad([tg.zeros(1, requires_grad=True)]), 1.0, 9),
         ValueError, "Adagrad has no momentum to cycle; use cycle_momentum=False"),
        (lambda o: schedules.SequentialLR(o, [], []), ValueError, "SequentialLR: the list of schedulers is empty"),
        (lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 1)], [2]), ValueError,
         "1 schedulers need 0 milestones, got 1"),
        (lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 1)] * 3, [5, 2]), ValueError,
         r"milestones must ascend from at least 1, got \[5, 2\]"),
        (lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 1), schedules.StepLR(sgd(), 1)]),
         ValueError, "scheduler 1 belongs to another optimizer"),
        (lambda o: schedules.ChainedScheduler([]), ValueError, "ChainedScheduler: the list of schedulers is empty"),
        (lambda o: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(o)], o), TypeError,
         "scheduler 0 must be a schedule of the step count, got ReduceLROnPlateau"),
        (lambda o: schedules.ReduceLROnPlateau(None), TypeError, "must be an Optimizer, got None"),
        (lambda o: schedules.ReduceLROnPlateau(o, factor=1), ValueError, "factor must be below 1"),
        (lambda o: schedules.ReduceLROnPlateau(o, "best"), ValueError, "'min' or 'max', got 'best'"),
        (lambda o: schedules.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "got 'x'"),
        (lambda o: schedules.StepLR(o, 1).load_state_dict({"last_epoch": 1, "base_lrs": [1, 2]}),
         ValueError, "2 step sizes but the optimizer has 1 groups"),
    ],
)  # fmt: skip
def test_impossible_schedules(make, error, message):
    with pytest.raises(error, match=message):
        make(sgd(momentum=0.9))
