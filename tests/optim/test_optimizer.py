"""What all optimizers share: groups, state, errors."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn, optim

EVERY = [
    optim.SGD, optim.Adam, optim.AdamW, optim.NAdam, optim.Adagrad, optim.RMSprop, optim.Adadelta,
    optim.LARS,
]  # fmt: skip


def leaf(*values):
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


def pull(param, *values):
    """Give the parameter a gradient."""
    param.grad = tg.tensor(values, dtype=tg.float64)


def test_step_skips_what_has_no_gradient():
    a, b = leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([a, b], lr=0.5)
    pull(a, 1.0)
    assert optimizer.step() is None
    assert (a.item(), b.item()) == (0.5, 1.0)
    assert list(optimizer.state) == [a]


def test_step_calls_its_closure_first_with_gradients_on():
    w = leaf(3.0)
    optimizer = optim.SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert w.item() == pytest.approx(3.0 - 0.1 * 6.0)


def test_zero_grad_forgets_or_fills_with_zeros():
    w = leaf(1.0)
    optimizer = optim.SGD([w])
    pull(w, 2.0)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert w.grad is None


def test_groups_have_options_of_their_own():
    a, b = leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 1.0, "name": "head"}], lr=0.1)
    for param in (a, b):
        pull(param, 0.5)
    optimizer.step()
    assert (a.item(), b.item()) == pytest.approx((0.95, 0.5))
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 1.0]
    c = leaf(1.0)
    optimizer.add_param_group({"params": c, "momentum": 0.9})
    assert optimizer.param_groups[2]["params"] == [c]
    assert optimizer.param_groups[2]["lr"] == 0.1


def test_options_may_change_between_steps():
    w = leaf(1.0)
    optimizer = optim.SGD([w], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.5
    pull(w, 1.0)
    optimizer.step()
    assert w.item() == 0.5


@pytest.mark.parametrize("kind", EVERY)
def test_updates_are_in_place_and_leave_the_gradient(kind):
    for shape in [(), (3,), (2, 3), (0,)]:
        w = tg.ones(shape, dtype=tg.float64, requires_grad=True)
        array = w.array
        grad = tg.full(shape, 0.5, dtype=tg.float64)
        optimizer = kind([w], lr=0.1, weight_decay=0.1)
        for _ in range(3):
            w.grad = grad
            optimizer.step()
        assert w.array is array
        assert (grad.numpy() == 0.5).all()
        assert (w.numpy() < 1.0).all()


@pytest.mark.parametrize("kind", EVERY)
def test_float32_stays_float32(kind):
    w = tg.ones(3, requires_grad=True)
    optimizer = kind([w], lr=0.1)
    w.grad = tg.ones(3)
    optimizer.step()
    assert w.dtype == np.float32
    arrays = [v for v in optimizer.state[w].values() if isinstance(v, np.ndarray)]
    assert all(a.dtype == np.float32 for a in arrays)


@pytest.mark.parametrize("kind", EVERY)
def test_maximize_goes_up(kind):
    w = leaf(1.0)
    optimizer = kind([w], lr=0.1, maximize=True)
    pull(w, 2.0)
    optimizer.step()
    assert w.item() > 1.0


def test_a_step_between_forward_and_backward_is_seen():
    w = leaf(2.0)
    optimizer = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    pull(w, 1.0)
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("kind", EVERY)
def test_a_restored_optimizer_goes_on_to_the_same_bits(kind):
    def run(w, optimizer, gradients):
        for g in gradients:
            w.grad = tg.tensor(g)
            optimizer.step()

    gradients = np.random.default_rng(0).standard_normal((10, 4, 3)).astype(np.float32)
    w = tg.ones(4, 3, requires_grad=True)
    optimizer = kind([w], lr=0.1, weight_decay=0.01)
    run(w, optimizer, gradients[:5])
    twin = tg.tensor(w.numpy(), requires_grad=True)
    restored = kind([twin], lr=77.0)
    restored.load_state_dict(optimizer.state_dict())
    run(w, optimizer, gradients[5:])
    run(twin, restored, gradients[5:])
    assert restored.param_groups[0]["lr"] == 0.1
    assert twin.numpy().tobytes() == w.numpy().tobytes()


def test_state_dict_is_plain_and_numbers_the_parameters():
    a, b = leaf(1.0), leaf(1.0, 2.0)
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}])
    pull(b, 1.0, 1.0)
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state["state"]) == [1]
    assert state["state"][1]["step"] == 1
    assert type(state["state"][1]["exp_avg"]) is type(b.array)
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert state["param_groups"][1]["lr"] == 0.5
    restored = optim.Adam([{"params": [leaf(1.0)]}, {"params": [leaf(1.0, 2.0)]}])
    restored.load_state_dict(state)
    (values,) = restored.state.values()
    assert not np.shares_memory(values["exp_avg"], state["state"][1]["exp_avg"])


def test_state_takes_names_as_text_tensors_and_other_dtypes():
    w = tg.ones(2, requires_grad=True)
    optimizer = optim.Adam([w])
    state = optimizer.state_dict()
    state["state"] = {
        "0": {"step": np.float32(3.0), "exp_avg": tg.ones(2, dtype=tg.float64),
              "exp_avg_sq": np.ones(2)},
    }  # fmt: skip
    optimizer.load_state_dict(state)
    assert optimizer.state[w]["step"] == 3
    assert optimizer.state[w]["exp_avg"].dtype == np.float32


def test_state_that_does_not_fit():
    optimizer = optim.SGD([leaf(1.0)], momentum=0.9)
    with pytest.raises(
        ValueError, match=r"groups of \[2\] parameters but this optimizer's .*\[1\]"
    ):
        optimizer.load_state_dict(optim.SGD([leaf(1.0), leaf(2.0)]).state_dict())
    state = optimizer.state_dict()
    state["state"] = {0: {"momentum_buffer": np.ones(7)}}
    with pytest.raises(ValueError, match=r"momentum_buffer has shape \(7,\) but .* \(1,\)"):
        optimizer.load_state_dict(state)
    state = optimizer.state_dict()
    state["param_groups"][0]["lr"] = -1.0
    with pytest.raises(ValueError, match=r"lr must be at least 0, got -1\.0"):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_repr_names_the_options():
    text = repr(optim.Adadelta([leaf(1.0)], lr=0.5))
    assert text == (
        "Adadelta (\nParameter Group 0\n    eps: 1e-06\n    lr: 0.5\n    maximize: False\n"
        "    rho: 0.9\n    weight_decay: 0.0\n)"
    )


@pytest.mark.parametrize("kind", EVERY)
def test_impossible_parameters(kind):
    name = kind.__name__
    w = leaf(1.0)
    cases = [
        ([], ValueError, f"{name}: the list of parameters is empty"),
        (iter([]), ValueError, "the list of parameters is empty"),
        ([w, w], ValueError, "parameter 1 of the group is there already"),
        ([{"params": w}, {"params": w}], ValueError, "parameter 0 of the group is there already"),
        ([w * 2], ValueError, "parameter 0 was made by Mul; only leaves"),
        ([w, 3.0], TypeError, "parameter 1 must be a Tensor, got float"),
        ({"params": [w]}, TypeError, "must be an iterable of tensors or dicts, got dict"),
        (3, TypeError, "must be an iterable of tensors or dicts, got int"),
        ([{"lr": 0.1}], ValueError, r"a group needs 'params', got only ['lr']"),
        ([{"params": [w]}, w], TypeError, "all tensors or all dicts, got Tensor"),
        ([{"params": [w], "learning_rate": 1.0}], ValueError, "unknown option 'learning_rate'"),
    ]
    for params, error, message in cases:
        with pytest.raises(error, match=re.escape(message)):
            kind(params)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("option", ["lr", "weight_decay"])
def test_options_below_zero_or_no_numbers(kind, option):
    name = kind.__name__
    with pytest.raises(ValueError, match=f"{name}: {option} must be at least 0, got -1"):
        kind([leaf(1.0)], **{option: -1})
    with pytest.raises(ValueError, match=f"{option} must be at least 0, got nan"):
        kind([{"params": [leaf(1.0)], option: float("nan")}])
    with pytest.raises(TypeError, match=f"{option} must be a number, got '0.1'"):
        kind([leaf(1.0)], **{option: "0.1"})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD(p, nesterov=True), ValueError, "nesterov needs momentum above 0"),
        (lambda p: optim.SGD(p, momentum=0.9, dampening=0.1, nesterov=True), ValueError,
         "no dampening, got momentum=0.9, dampening=0.1"),
        (lambda p: optim.SGD(p, momentum=-0.1), ValueError, "momentum must be at least 0"),
        (lambda p: optim.SGD(p, formulation="book"), ValueError, "'pytorch' or 'textbook', got 'b"),
        (lambda p: optim.SGD(p, momentum=0.9, dampening=0.1, formulation="textbook"), ValueError,
         "the textbook's formulation has no dampening, got 0.1"),
        (lambda p: optim.Adam(p, betas=(0.9, 1.0)), ValueError, r"in \[0, 1\), got \(0.9, 1.0\)"),
        (lambda p: optim.Adam(p, betas=0.9), TypeError, "betas must be a pair of numbers, got 0.9"),
        (lambda p: optim.NAdam(p, betas=(-0.1, 0.9)), ValueError, r"NAdam: betas must be in"),
        (lambda p: optim.AdamW(p, eps=-1.0), ValueError, "AdamW: eps must be at least 0"),
        (lambda p: optim.RMSprop(p, alpha=1.0), ValueError, "RMSprop: alpha must be below 1"),
        (lambda p: optim.Adadelta(p, rho=1.5), ValueError, "Adadelta: rho must be below 1"),
        (lambda p: optim.Adagrad(p, lr_decay=-1), ValueError, "Adagrad: lr_decay must be at least"),
        (lambda p: optim.LARS(p, trust_coefficient=-1), ValueError, "LARS: trust_coefficient must"),
    ],
)  # fmt: skip
def test_impossible_options(make, error, message):
    with pytest.raises(error, match=message):
        make([leaf(1.0)])


def test_a_small_network_learns_and_the_seed_decides_the_bits():
    def train(seed):
        generator = tg.Generator(seed)
        net = nn.Sequential(
            nn.Linear(2, 16, generator=generator), nn.ReLU(), nn.Linear(16, 2, generator=generator)
        )
        x = tg.randn(64, 2, generator=generator)
        y = tg.tensor((x.numpy()[:, 0] * x.numpy()[:, 1] > 0).astype(np.int64))
        optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9, nesterov=True)
        losses = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = tg.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses, b"".join(p.numpy().tobytes() for p in net.parameters())

    losses, weights = train(0)
    assert losses[0] == pytest.approx(np.log(2), abs=0.2)
    assert losses[-1] < 0.1 * losses[0]
    assert train(0)[1] == weights
    assert train(1)[1] != weights
