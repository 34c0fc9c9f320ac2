"""Every optimizer takes PyTorch's steps in float64, option by option, and its state_dict."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CASES = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
    ],
    "Adam": [
        {},
        {"lr": 0.1, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.1},
        {"lr": 0.1, "amsgrad": True, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}, {"maximize": True}],
    "NAdam": [
        {},
        {"lr": 0.1, "momentum_decay": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
        {"maximize": True, "eps": 1e-3},
    ],
    "RMSprop": [
        {},
        {"lr": 0.1, "alpha": 0.5, "momentum": 0.9, "weight_decay": 0.1},
        {"lr": 0.1, "centered": True, "momentum": 0.5, "maximize": True},
    ],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}],
}
EACH = [
    pytest.param(name, options, id=f"{name} {options}")
    for name, cases in CASES.items()
    for options in cases
]


@pytest.fixture(autouse=True)
def _float64():
    """PyTorch keeps NAdam's running product in its default dtype; in float32 that costs 1e-9."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def both(name, options):
    start = np.random.default_rng(0).standard_normal((4, 3))
    ours = tg.tensor(start, requires_grad=True)
    theirs = torch.tensor(start, requires_grad=True)
    return (
        ours, getattr(optim, name)([ours], **options),
        theirs, getattr(torch.optim, name)([theirs], **options),
    )  # fmt: skip


def walk(ours, optimizer, theirs, reference, steps, seed):
    for g in np.random.default_rng(seed).standard_normal((steps, 4, 3)):
        ours.grad, theirs.grad = tg.tensor(g), torch.tensor(g)
        optimizer.step()
        reference.step()
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "options"), EACH)
def test_the_same_steps(name, options):
    walk(*both(name, options), steps=30, seed=1)


@pytest.mark.parametrize(("name", "options"), EACH)
def test_pytorchs_state_goes_on_here(name, options):
    ours, optimizer, theirs, reference = both(name, options)
    walk(ours, optimizer, theirs, reference, steps=3, seed=1)
    optimizer.load_state_dict(reference.state_dict())
    walk(ours, optimizer, theirs, reference, steps=5, seed=2)


@pytest.mark.parametrize("name", CASES)
def test_the_same_defaults(name):
    _, optimizer, _, reference = both(name, {})
    theirs = reference.param_groups[0]
    for option, value in optimizer.param_groups[0].items():
        if option != "params" and option in theirs:
            assert value == theirs[option], option


SCHEDULES = {
    "StepLR": lambda lib, o: lib.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda lib, o: lib.MultiStepLR(o, [4, 4, 9], 0.5),
    "ConstantLR": lambda lib, o: lib.ConstantLR(o, 0.3, 4),
    "LinearLR": lambda lib, o: lib.LinearLR(o, 0.1, 0.9, 7),
    "ExponentialLR": lambda lib, o: lib.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda lib, o: lib.PolynomialLR(o, 12, 1.5),
    "LambdaLR": lambda lib, o: lib.LambdaLR(o, lambda t: 0.95**t),
    "CosineAnnealingLR": lambda lib, o: lib.CosineAnnealingLR(o, 8, 0.01),
    "CosineAnnealingWarmRestarts": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "OneCycleLR": lambda lib, o: lib.OneCycleLR(o, 1.0, 30),
    "OneCycleLR in three phases": lambda lib, o: lib.OneCycleLR(
        o, 1.0, epochs=3, steps_per_epoch=10, anneal_strategy="linear", three_phase=True,
        div_factor=10, final_div_factor=100, base_momentum=0.7,
    ),
    "CyclicLR": lambda lib, o: lib.CyclicLR(o, 0.01, 0.1, 3, 5),
    "CyclicLR halving": lambda lib, o: lib.CyclicLR(o, 0.01, 0.1, 4, mode="triangular2"),
    "CyclicLR shrinking": lambda lib, o: lib.CyclicLR(
        o, 0.01, 0.1, 4, scale_fn=lambda t: 0.9**t, scale_mode="iterations", cycle_momentum=False
    ),
    "SequentialLR": lambda lib, o: lib.SequentialLR(
        o, [lib.LinearLR(o, 0.1, total_iters=4), lib.CosineAnnealingLR(o, 10), lib.StepLR(o, 3)],
        [4, 14],
    ),
    "ChainedScheduler": lambda lib, o: lib.ChainedScheduler(
        [lib.LinearLR(o, 0.1, total_iters=4), lib.ExponentialLR(o, 0.9)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_the_same_schedule_and_the_same_path(name, kind):
    options = {"momentum": 0.9} if kind == "SGD" else {}
    ours, optimizer, theirs, reference = both(kind, {"lr": 0.1, **options})
    schedule = SCHEDULES[name](optim.lr_scheduler, optimizer)
    other = SCHEDULES[name](torch.optim.lr_scheduler, reference)
    for seed in range(30):
        for option in ("lr", "momentum", "betas"):
            mine = optimizer.param_groups[0].get(option, 0.0)
            assert mine == pytest.approx(reference.param_groups[0].get(option, 0.0), rel=1e-11)
        assert schedule.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-11)
        walk(ours, optimizer, theirs, reference, steps=1, seed=seed)
        schedule.step()
        other.step()


@pytest.mark.parametrize("options", [{}, {"mode": "max", "threshold": 0.1}, {"cooldown": 3},
                                     {"threshold_mode": "abs", "threshold": 0.3, "factor": 0.7},
                                     {"min_lr": 0.005, "patience": 0}], ids=str)  # fmt: skip
def test_the_same_plateaus(options):
    _, optimizer, _, reference = both("SGD", {"lr": 0.1})
    options = {"patience": 2, **options}
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(reference, **options)
    for loss in np.random.default_rng(0).standard_normal(60).round(1):
        schedule.step(loss)
        other.step(loss)
        assert schedule.get_last_lr() == pytest.approx(other.get_last_lr())


def network(lib):
    """A small ConvNet, written once for both libraries."""
    return lib.Sequential(
        lib.Conv2d(2, 4, 3, padding=1),
        lib.BatchNorm2d(4),
        lib.ReLU(),
        lib.MaxPool2d(2),
        lib.Conv2d(4, 6, 3),
        lib.Tanh(),
        lib.AvgPool2d(2, 1),
        lib.Flatten(),
        lib.Linear(6, 5),
        lib.ReLU(),
        lib.Linear(5, 3),
    )


class Run:
    """The same network, weights and batches here and in PyTorch, step for step."""

    def __init__(self):
        torch.manual_seed(0)
        self.theirs = network(torch.nn).double()
        self.ours = network(tg.nn).double()
        self.ours.load_state_dict(self.theirs.state_dict())
        rng = np.random.default_rng(0)
        self.batches = [
            (rng.standard_normal((6, 2, 8, 8)), rng.integers(0, 3, 6)) for _ in range(10)
        ]

    def losses(self, step, steps=30):
        """Both losses before each step; `step` is told them once the gradients are there."""
        for i in range(steps):
            images, labels = self.batches[i % len(self.batches)]
            loss = tg.functional.cross_entropy(self.ours(tg.tensor(images)), tg.tensor(labels))
            scores = self.theirs(torch.tensor(images))
            reference = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
            yield loss.item(), reference.item()
            for net, value in ((self.ours, loss), (self.theirs, reference)):
                for param in net.parameters():
                    param.grad = None
                value.backward()
            step(loss.item())


def assert_one_trajectory(pairs):
    ours, theirs = zip(*pairs, strict=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert len(set(np.round(ours, 6))) > 20  # it moved


DOWNHILL = [
    pytest.param(name, down, id=f"{name} {down}")
    for name, cases in CASES.items()
    for options in cases
    for down in [{key: value for key, value in options.items() if key != "maximize"}]
    if down == options or down not in cases
]


@pytest.mark.parametrize(("name", "options"), DOWNHILL)
def test_the_loss_of_a_network_takes_pytorchs_way(name, options):
    run = Run()
    optimizer = getattr(optim, name)(run.ours.parameters(), **options)
    reference = getattr(torch.optim, name)(run.theirs.parameters(), **options)

    def step(_loss):
        optimizer.step()
        reference.step()

    assert_one_trajectory(run.losses(step))


def test_the_textbooks_momentum_takes_pytorchs_way_at_a_constant_step_size():
    for nesterov in (False, True):
        run = Run()
        options = {"lr": 0.05, "momentum": 0.9, "nesterov": nesterov}
        optimizer = optim.SGD(run.ours.parameters(), formulation="textbook", **options)
        reference = torch.optim.SGD(run.theirs.parameters(), **options)

        def step(_loss, optimizer=optimizer, reference=reference):
            optimizer.step()
            reference.step()

        assert_one_trajectory(run.losses(step))


# What PyTorch has no class for, by its formula.
OWN = {
    "ExponentialLR by k": (
        lambda o: optim.lr_scheduler.ExponentialLR(o, k=0.05),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: np.exp(-0.05 * t)),
    ),
    "InverseTimeLR": (
        lambda o: optim.lr_scheduler.InverseTimeLR(o, k=0.1),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + 0.1 * t)),
    ),
    "ReduceLROnPlateau": (
        lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.7, patience=1),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.7, patience=1),
    ),
}


@pytest.mark.parametrize("name", [*SCHEDULES, *OWN])
@pytest.mark.parametrize("every", [1, 5], ids=["per step", "per epoch"])
def test_the_loss_under_a_schedule_takes_pytorchs_way(name, every):
    run = Run()
    options = {"lr": 0.05, "momentum": 0.9}
    optimizer = optim.SGD(run.ours.parameters(), **options)
    reference = torch.optim.SGD(run.theirs.parameters(), **options)
    if name in OWN:
        schedule, other = (
            make(o) for make, o in zip(OWN[name], (optimizer, reference), strict=True)
        )
    else:
        schedule = SCHEDULES[name](optim.lr_scheduler, optimizer)
        other = SCHEDULES[name](torch.optim.lr_scheduler, reference)
    measure = name == "ReduceLROnPlateau"
    taken = []

    def step(loss):
        optimizer.step()
        reference.step()
        taken.append(optimizer.param_groups[0]["lr"])
        if len(taken) % every == 0:
            schedule.step(*[loss] * measure)
            other.step(*[loss] * measure)

    assert_one_trajectory(run.losses(step))
    assert len(set(taken)) > 1 or every > 1


def test_lars_takes_the_way_of_its_paper():
    """You et al. 2017, algorithm 1, written with PyTorch's tensors."""
    lr, momentum, decay, trust = 0.5, 0.9, 0.01, 0.05
    run = Run()
    optimizer = optim.LARS(run.ours.parameters(), lr, momentum, decay, trust_coefficient=trust)
    velocities = [torch.zeros_like(w) for w in run.theirs.parameters()]

    def step(_loss):
        optimizer.step()
        with torch.no_grad():
            for w, v in zip(run.theirs.parameters(), velocities, strict=True):
                local, shrink = 1.0, 0.0
                if w.ndim > 1:
                    local = trust * w.norm() / (w.grad.norm() + decay * w.norm())
                    shrink = decay
                v.mul_(momentum).add_(lr * local * (w.grad + shrink * w))
                w.sub_(v)

    assert_one_trajectory(run.losses(step))
