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
