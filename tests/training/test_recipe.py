"""Optimizers, schedules and penalties by name: what they are, and where the step size ends."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg
from tinygrad_cv import optim
from tinygrad_cv.training import optimizer_named, regularizer_named, schedule_named
from tinygrad_cv.training.recipe import OPTIMIZERS, SCHEDULES


def weights():
    return [tg.ones(2, 2, requires_grad=True)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_at_its_usual_step_size(name):
    (w,) = params = weights()
    optimizer = optimizer_named(name, params)
    for _ in range(20):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    assert (w * w).sum().item() < 4.0


def test_options_are_taken_where_given():
    group = optimizer_named("nesterov", weights(), 0.2, 0.8, 0.01).param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.2, 0.8, 0.01)
    assert group["nesterov"]
    assert optimizer_named("adamw", weights()).param_groups[0]["weight_decay"] == 0.01
    assert optimizer_named("sgd", weights()).param_groups[0]["momentum"] == 0.9
    assert optimizer_named("adam", weights()).param_groups[0]["lr"] == 0.003


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("momentum",), "optimizer: expected adam, adamw, .*, got 'momentum'"),
        (("adam", None, 0.9), "adam has no momentum; sgd, nesterov, rmsprop, lars have"),
        (("sgd", -1.0), "SGD: lr must be at least 0, got -1.0"),
        (("sgd", 0.1, -0.5), "SGD: momentum must be at least 0, got -0.5"),
        (("adam", 0.1, None, -1.0), "Adam: weight_decay must be at least 0"),
    ],
)
def test_optimizers_that_cannot_be(arguments, message):
    name, *rest = arguments
    with pytest.raises(ValueError, match=message):
        optimizer_named(name, weights(), *rest)


# Where the step size, from 1, stands half-way and at the end of a run of 40 steps.
STANDS = {
    "cosine": (0.5, 0.0),
    "step": (0.1, 0.01),
    "exponential": (0.1, 0.01),
    "inverse": (1 / 5.5, 0.1),
    "linear": (0.5, 0.0),
    "polynomial": (0.25, 0.0),
    "warmup": (0.5 * (1 + 0.17364817766693), 0.0),  # cos(80 degrees): 16 of 36 steps
    "onecycle": (0.7660, 0.0),  # (1 + cos(9/28 pi)) / 2: step 20 between 11 and 39
    "cyclic": (0.1, 0.1),
}


@pytest.mark.parametrize("name", STANDS)
def test_schedules_fall_over_the_run(name):
    optimizer = optimizer_named("sgd", weights(), lr=1.0)
    schedule = schedule_named(name, optimizer, 40)
    for _ in range(20):
        schedule.step()
    middle = optimizer.param_groups[0]["lr"]
    for _ in range(20):
        schedule.step()
    end = optimizer.param_groups[0]["lr"]
    # OneCycleLR's end is step 39, whence it goes up again a little.
    assert (middle, end) == pytest.approx(STANDS[name], abs=4e-3)


def test_a_constant_step_size_has_no_schedule_and_a_plateau_waits():
    optimizer = optimizer_named("sgd", weights(), lr=1.0)
    assert schedule_named("constant", optimizer, 5) is None
    schedule = schedule_named("plateau", optimizer, 5)
    for _ in range(5):
        schedule.step(1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    assert {*STANDS, "constant", "plateau"} == set(SCHEDULES)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["onecycle", "cyclic"])
def test_cycles_go_with_every_optimizer(name, schedule):
    optimizer = optimizer_named(name, weights())
    made = schedule_named(schedule, optimizer, 3)
    assert isinstance(made, optim.lr_scheduler.LRScheduler)


def test_schedules_that_cannot_be():
    optimizer = optimizer_named("sgd", weights())
    with pytest.raises(ValueError, match=r"schedule: expected constant, cosine, .*, got 'up'"):
        schedule_named("up", optimizer, 5)
    with pytest.raises(ValueError, match="cosine needs at least 1 step, got 0"):
        schedule_named("cosine", optimizer, 0)


def test_penalties_by_name():
    w = tg.tensor([[1.0, -2.0]])
    assert regularizer_named("l2:0.5")(w).item() == pytest.approx(1.25)
    assert regularizer_named("l1:0.5")(w).item() == pytest.approx(1.5)
    assert regularizer_named("elastic:0.5,0.1")(w).item() == pytest.approx(2.0)


@pytest.mark.parametrize("text", ["l2", "l2:", "l2:x", "l2:1,2", "elastic:1", "l3:1", "", "L2:1"])
def test_texts_that_name_no_penalty(text):
    with pytest.raises(ValueError, match=f"such as l2:1e-4, got {text!r}"):
        regularizer_named(text)


def test_a_negative_strength():
    with pytest.raises(ValueError, match="L1: lam must be at least 0, got -1"):
        regularizer_named("l1:-1")
