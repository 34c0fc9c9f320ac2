"""GradScaler beside PyTorch's on the CPU, and on the emulated GPU beside itself, where nothing waits."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.amp import GradScaler

# Which steps get a gradient that is infinite or NaN; the scale moves up and down with them.
PLANTED = [np.inf, 0, 0, 0, np.nan, -np.inf, 0, 0, 0, 0, 0]
HOW = {"init_scale": 2.0**10, "growth_factor": 4.0, "backoff_factor": 0.25, "growth_interval": 3}
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9}),
]


class Run:
    """Two parameters whose gradients are known, stepped by either library."""

    def __init__(self, library, name, options, device="cpu"):
        start = np.random.default_rng(0).standard_normal((2, 5))
        self.module, self.device = library, device
        self.params = [library.tensor(w, device=device, requires_grad=True) for w in start]
        self.optimizer = getattr(library.optim, name)(self.params, **options)
        self.scaler = library.amp.GradScaler(device, **HOW)

    def backward(self, number, planted=0.0):
        self.optimizer.zero_grad()
        slope = np.random.default_rng(number).standard_normal((2, 5))
        slope[1, 3] += planted
        pairs = zip(self.params, slope, strict=True)
        loss = sum((w * self.module.tensor(s, device=self.device)).sum() for w, s in pairs)
        self.scaler.scale(loss).backward()

    def step(self, number, planted=0.0):
        self.backward(number, planted)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def values(self):
        return np.stack([w.detach().cpu().numpy() for w in self.params])


@pytest.mark.torch
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_steps_and_scales_are_pytorchs(name, options):
    torch = pytest.importorskip("torch")
    ours, theirs = Run(tg, name, options), Run(torch, name, options)
    scales = set()
    for number, planted in enumerate(PLANTED):
        before = ours.values()
        ours.step(number, planted)
        theirs.step(number, planted)
        np.testing.assert_allclose(ours.values(), theirs.values(), rtol=1e-12, atol=1e-12)
        assert ours.scaler.state_dict() == theirs.scaler.state_dict()
        assert np.array_equal(before, ours.values()) == (planted != 0)
        scales.add(ours.scaler.get_scale())
    assert scales == {2.0**10, 2.0**8, 2.0**6}  # a quarter, four times after three, and again


@pytest.mark.torch
def test_gradients_can_be_clipped_between():
    torch = pytest.importorskip("torch")
    runs = [Run(tg, "SGD", {"lr": 0.1}), Run(torch, "SGD", {"lr": 0.1})]
    for run in runs:
        run.backward(0)
        run.scaler.unscale_(run.optimizer)
        norm = run.module.nn.utils.clip_grad_norm_(run.params, 0.5)
        assert 0.5 < float(norm) < 10  # of the loss, not of the scaled one
        run.scaler.step(run.optimizer)
        run.scaler.update()
    np.testing.assert_allclose(runs[0].values(), runs[1].values(), rtol=1e-6)


@pytest.mark.torch
def test_one_scaler_serves_several_optimizers_as_pytorchs_does():
    torch = pytest.importorskip("torch")
    ends = []
    for library in (tg, torch):
        params = [library.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
        optimizers = [library.optim.SGD([w], lr=1.0) for w in params]
        scaler = library.amp.GradScaler("cpu", init_scale=4.0)
        factors = (3.0, float("inf"))
        losses = [(w * f).sum() for w, f in zip(params, factors, strict=True)]
        for loss in scaler.scale(losses):
            loss.backward()
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
        ends.append(([w.tolist() for w in params], scaler.get_scale()))
    assert ends[0] == ends[1] == ([[-2.0, -1.0], [1.0, 2.0]], 2.0)


def test_the_scale_grows_only_to_the_largest_float():
    w = tg.tensor([1.0], requires_grad=True)
    optimizer = tg.optim.SGD([w], lr=0.1)
    scaler = GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    scaler.scale((w * 1e-30).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**127
    scaler.update(2.0**5)
    assert scaler.get_scale() == 32
    scaler.update(tg.tensor(64.0))
    assert scaler.get_scale() == 64


def test_a_run_goes_on_from_its_state():
    whole, first, second = (Run(tg, "Adam", {"lr": 0.1}) for _ in range(3))
    for number, planted in enumerate(PLANTED):
        whole.step(number, planted)
    for number, planted in enumerate(PLANTED[:6]):
        first.step(number, planted)
    with tg.no_grad():
        for ours, theirs in zip(second.params, first.params, strict=True):
            ours.copy_(theirs)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.scaler.load_state_dict(first.scaler.state_dict())
    for number, planted in enumerate(PLANTED[6:], 6):
        second.step(number, planted)
    np.testing.assert_array_equal(second.values(), whole.values())
    assert second.scaler.state_dict() == whole.scaler.state_dict()


def test_a_scaler_that_is_disabled_does_nothing():
    w = tg.tensor([1.0], requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w], lr=0.5), GradScaler("cuda", enabled=False)
    loss = (w * 3).sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    assert w.grad.tolist() == [3]
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [-0.5]
    assert (scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == (1.0, False, {})
    scaler.load_state_dict({})


def test_without_a_gpu_a_scaler_for_one_is_disabled(monkeypatch):
    monkeypatch.setattr("tinygrad_cv.backends.cuda.devices.device_count", lambda: 0)
    with pytest.warns(UserWarning, match="there is no GPU, so it is disabled"):
        scaler = GradScaler()
    assert not scaler.is_enabled()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"growth_factor": 1.0}, "growth_factor must be above 1, got 1.0"),
        ({"backoff_factor": 1.0}, "backoff_factor must be below 1, got 1.0"),
        ({"growth_interval": 0}, "growth_interval must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GradScaler("cpu", **options)


def test_calls_out_of_order_are_refused():
    run = Run(tg, "SGD", {"lr": 0.1})
    with pytest.raises(RuntimeError, match=r"update: no step\(\) or unscale_\(\) since"):
        run.scaler.update()
    with pytest.raises(RuntimeError, match="no parameter of the optimizer has a gradient"):
        run.scaler.step(run.optimizer)
    run.backward(0)
    with pytest.raises(RuntimeError, match="a closure computes gradients that are not scaled"):
        run.scaler.step(run.optimizer, lambda: None)
    run.scaler.unscale_(run.optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        run.scaler.unscale_(run.optimizer)
    run.scaler.step(run.optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        run.scaler.unscale_(run.optimizer)
    with pytest.raises(RuntimeError, match="step: it has already been called"):
        run.scaler.step(run.optimizer)
    with pytest.raises(RuntimeError, match="the state is empty"):
        run.scaler.load_state_dict({})
    with pytest.raises(TypeError, match="must be a Tensor or an iterable of them, got float"):
        run.scaler.scale(1.0)


def test_float16_gradients_are_refused():
    w = tg.tensor(np.ones(2, np.float16), requires_grad=True)
    w.grad = tg.tensor(np.ones(2, np.float16))
    with pytest.raises(ValueError, match="gradients must be float32 or float64, got float16"):
        GradScaler("cpu").unscale_(tg.optim.SGD([w], lr=0.1))


def test_an_update_of_ones_own_is_not_run_on_infinity():
    """It knows nothing of the flag, so that the scaler looks at it first."""

    class Own(tg.optim.SGD):
        def update(self, w, g, state, group):
            w -= g

    w = tg.tensor([1.0], requires_grad=True)
    optimizer, scaler = Own([w], lr=0.1), GradScaler("cpu")
    scaler.scale((w * np.inf).sum()).backward()
    scaler.step(optimizer)
    assert w.tolist() == [1]


# ---- on the GPU ----


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_the_gpu_steps_as_the_cpu_does(name, options):
    from standin import Cuda

    here, there = Run(tg, name, options), Run(tg, name, options, "cuda")
    waits = not here.optimizer.heeds_skip()
    for number, planted in enumerate(PLANTED):
        here.step(number, planted)
        before = Cuda.synchronizations
        there.step(number, planted)
        assert Cuda.synchronizations == before + waits
        np.testing.assert_allclose(there.values(), here.values(), rtol=1e-12, atol=1e-12)
        assert there.scaler.state_dict() == here.scaler.state_dict()
    kept = there.optimizer.state_dict()["state"][0]
    if "step" in kept:  # skipped steps are not counted, whoever counts
        fresh = Run(tg, name, options)
        fresh.optimizer.load_state_dict(there.optimizer.state_dict())
        counts = [run.optimizer.state_dict()["state"][0]["step"] for run in (fresh, here)]
        assert counts == [8, 8]
        there.backward(99)
        there.scaler.unscale_(there.optimizer)
        there.optimizer.step()  # without the scaler the host counts on
        assert there.optimizer.state_dict()["state"][0]["step"] == 9


@pytest.mark.usefixtures("cupy")
def test_gradients_on_another_device_are_refused():
    w = tg.tensor([1.0], requires_grad=True)
    scaler = GradScaler("cuda")
    scaler.scale(w.cuda().sum()).backward()
    with pytest.raises(ValueError, match="a gradient is on cpu but the scaled loss was on cuda:0"):
        scaler.unscale_(tg.optim.SGD([w], lr=0.1))
