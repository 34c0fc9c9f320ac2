"""Fused neighbours give what the layers give one by one: values, gradients, state, hooks, circuits."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.nn import fusion
from tinygrad_cv.testing import gradcheck, gradgradcheck


def drawn(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def conv(bias=True, **settings):
    return nn.Conv2d(2, 4, 3, bias=bias, dtype=tg.float64, **settings)


def norm(channels=4):
    layer = nn.BatchNorm2d(channels, dtype=tg.float64)
    rng = np.random.default_rng(1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        array = getattr(layer, name).array
        array[...] = np.asarray(rng.uniform(0.5, 2, channels), like=array)
    return layer


CHAINS = {
    "conv, relu": lambda: [conv(), nn.ReLU()],
    "conv without bias, relu": lambda: [conv(bias=False), nn.ReLU()],
    "conv same, relu in place": lambda: [conv(padding="same"), nn.ReLU(inplace=True)],
    "grouped conv, relu": lambda: [conv(groups=2, stride=2, padding=1), nn.ReLU()],
    "conv, relu, pool": lambda: [conv(padding=1), nn.ReLU(), nn.MaxPool2d(2)],
    "conv, relu, pool 3": lambda: [conv(), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True)],
    "conv, relu, conv": lambda: [conv(), nn.ReLU(), nn.Conv2d(4, 2, 2, dtype=tg.float64)],
    "conv, norm, relu": lambda: [conv(), norm(), nn.ReLU()],
    "norm, relu, pool": lambda: [norm(2), nn.ReLU(), nn.MaxPool2d(2)],
    "conv, tanh": lambda: [conv(), nn.Tanh()],
    "flatten, linear, relu": lambda: [
        nn.Flatten(), nn.Linear(98, 5, dtype=tg.float64), nn.ReLU(),
        nn.Linear(5, 3, bias=False, dtype=tg.float64), nn.ReLU(),
    ],
    "features": lambda: [
        nn.Flatten(), nn.BatchNorm1d(98, dtype=tg.float64), nn.ReLU(),
    ],
}  # fmt: skip


def one_by_one(net, x):
    for part in net:
        x = part(x)
    return x


def results(net, run, x, grad):
    """Value, gradients of the input and of the parameters, and buffers after the pass."""
    t = tg.tensor(x, requires_grad=True)
    net.zero_grad()
    y = run(net, t)
    y.backward(tg.tensor(grad))
    gradients = [t.grad, *(p.grad for p in net.parameters())]
    return [y.detach().numpy().copy(), *(g.numpy().copy() for g in gradients)]


def twins(name):
    tg.manual_seed(0)
    first = nn.Sequential(*CHAINS[name]())
    tg.manual_seed(0)
    second = nn.Sequential(*CHAINS[name]())
    return first, second


def assert_close(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CHAINS)
def test_values_gradients_and_statistics_are_those_of_the_layers(name, training):
    fused, plain = twins(name)
    fused.train(training), plain.train(training)
    x = drawn(3, 2, 7, 7)
    grad = drawn(*plain(tg.tensor(x)).shape, seed=2)
    fused(tg.tensor(x))
    assert_close(
        results(fused, lambda net, t: net(t), x, grad), results(plain, one_by_one, x, grad)
    )
    for ours, theirs in zip(fused.buffers(), plain.buffers(), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", CHAINS)
def test_evaluation_without_gradients_gives_the_same(name):
    fused, plain = twins(name)
    fused.eval(), plain.eval()
    x = tg.tensor(drawn(3, 2, 7, 7))
    before = {key: value.numpy().copy() for key, value in fused.state_dict().items()}
    with tg.no_grad():
        np.testing.assert_allclose(
            fused(x).numpy(), one_by_one(plain, x).numpy(), rtol=1e-10, atol=1e-12
        )
    for key, value in fused.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])


@pytest.mark.parametrize("name", ["conv, relu", "conv, relu, pool", "flatten, linear, relu"])
def test_second_derivatives_are_right(name):
    net = nn.Sequential(*CHAINS[name]())
    x = drawn(2, 2, 7, 7) if "linear" in name else drawn(1, 2, 4, 4)
    if "linear" in name:
        net, x = net[1:3], x.reshape(2, 98)[:1]
    gradcheck(net, (x,))
    gradgradcheck(net, (x,))


def kinds(y):
    """The classes of the gates that made y, last first."""
    found, gate = [], y.gate
    while gate is not None:
        found.append(type(gate).__name__)
        gate = next((p for p in gate.parents if p is not None and p.seq), None)
    return found


def test_what_is_fused():
    def made_by(name):
        return kinds(nn.Sequential(*CHAINS[name]())(tg.tensor(drawn(3, 2, 7, 7))))

    assert made_by("conv, relu") == ["Conv2dRelu"]
    assert made_by("conv, relu, pool") == ["Conv2dReluPool"]
    assert made_by("conv, norm, relu") == ["BatchNorm", "Conv2d"]
    assert made_by("flatten, linear, relu") == ["LinearRelu", "LinearRelu"]
    assert made_by("conv, tanh") == ["Tanh", "Conv2d"]


def test_an_image_without_a_batch_is_fused_too():
    fused, plain = twins("conv, relu, pool")
    x = tg.tensor(drawn(2, 7, 7))
    np.testing.assert_allclose(fused(x).numpy(), one_by_one(plain, x).numpy(), rtol=1e-12)


class Loud(nn.ReLU):
    """A layer of one's own, which may do anything."""

    def forward(self, input):
        return super().forward(input) + 1.0


def test_subclasses_run_their_own_forward():
    x = tg.tensor(drawn(1, 2, 5, 5))
    layer = conv()
    want = np.maximum(layer(x).numpy(), 0) + 1
    np.testing.assert_allclose(nn.Sequential(layer, Loud())(x).numpy(), want)


def test_a_forward_put_on_the_layer_itself_runs():
    layer = nn.ReLU()
    layer.forward = lambda x: x * 0.0
    assert (nn.Sequential(conv(), layer)(tg.tensor(drawn(1, 2, 5, 5))).numpy() == 0).all()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_hooks_see_every_value(place):
    net, seen = nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(2)), []
    x = tg.tensor(drawn(2, 2, 6, 6))
    handle = net[place].register_forward_hook(lambda module, args, out: seen.append(out.numpy()))
    net(x)
    handle.remove()
    net(x)
    assert len(seen) == 1
    np.testing.assert_allclose(seen[0], one_by_one(list(net)[: place + 1], x).numpy())
    assert kinds(net(x)) == ["Conv2dReluPool"]


def test_hooks_on_gradients_run():
    net, seen = nn.Sequential(conv(), nn.ReLU()), []
    net[0].register_full_backward_hook(lambda module, gx, gy: seen.append(gy[0].shape))
    net(tg.tensor(drawn(2, 2, 6, 6), requires_grad=True)).sum().backward()
    assert seen == [(2, 4, 4, 4)]


def test_recorded_circuits_show_every_layer():
    from tinygrad_cv import viz

    net = nn.Sequential(conv(), nn.ReLU())
    with viz.record():
        y = net(tg.tensor(drawn(1, 2, 4, 4)))
    assert kinds(y) == ["Relu", "Conv2d"]


def test_anomaly_detection_names_the_layer():
    net = nn.Sequential(conv(), nn.ReLU())
    x = drawn(1, 2, 4, 4)
    x[0, 0, 1, 1] = np.nan
    with tg.detect_anomaly(), pytest.raises(RuntimeError, match="Conv2d gave nan"):
        net(tg.tensor(x))


def test_errors_are_the_layers():
    with pytest.raises(ValueError, match="conv2d: input has 3 channels but weight"):
        nn.Sequential(conv(), nn.ReLU())(tg.tensor(drawn(1, 3, 5, 5)))
    with pytest.raises(ValueError, match="max_pool2d: the window's 9 rows"):
        nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(9))(tg.tensor(drawn(1, 2, 5, 5)))
    net = nn.Sequential(conv(), norm()).eval()
    with tg.no_grad(), pytest.raises(ValueError, match=r"BatchNorm2d: input .* should have 4"):
        net(tg.tensor(drawn(2, 5, 5)))
    with pytest.raises(ValueError, match="linear: input"):
        nn.Sequential(nn.Linear(3, 4), nn.ReLU())(tg.zeros(2, 5))


def test_run_is_for_layers_of_ones_own_as_well():
    parts = [conv(), norm(), nn.ReLU()]
    x = tg.tensor(drawn(2, 2, 5, 5))
    y = fusion.run(parts, x)
    assert kinds(y) == ["BatchNorm", "Conv2d"]


class Block(nn.Module):
    """The end of a residual block, written with `fusion` and as PyTorch has it."""

    def __init__(self, fused, relu):
        super().__init__()
        self.conv, self.relu, self.fused = conv(padding=1), relu, fused
        self.shortcut = nn.Conv2d(2, 4, 1, dtype=tg.float64)

    def forward(self, x):
        a, b = self.conv(x), self.shortcut(x)
        return fusion.add_relu(a, b, self.relu) if self.fused else self.relu(a + b)


def blocks(relu=nn.ReLU):
    tg.manual_seed(0)
    fused = Block(True, relu())
    tg.manual_seed(0)
    return fused, Block(False, relu())


@pytest.mark.parametrize("relu", [nn.ReLU, lambda: nn.ReLU(inplace=True), Loud, nn.Tanh])
def test_a_blocks_end_gives_what_sum_and_relu_give(relu):
    fused, plain = blocks(relu)
    x, grad = drawn(2, 2, 5, 5), drawn(2, 4, 5, 5, seed=1)
    x[0, 0, 2, 2] = np.nan
    for ours, theirs in zip(
        results(fused, lambda net, t: net(t), x, grad),
        results(plain, lambda net, t: net(t), x, grad),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_blocks_end_is_one_gate_unless_somebody_looks():
    from tinygrad_cv import viz

    fused, _ = blocks()
    x = tg.tensor(drawn(2, 2, 5, 5))
    assert kinds(fused(x))[0] == "AddRelu"
    with viz.record():
        assert kinds(fused(x))[:2] == ["Relu", "Add"]
    with fused.relu.register_forward_hook(lambda module, args, out: None):
        assert kinds(fused(x))[:2] == ["Relu", "Add"]
    assert (
        kinds(fusion.add_relu(fused.conv(x), tg.ones(1, dtype=tg.float64), fused.relu))[1] == "Add"
    )
    assert fusion.add_relu(tg.tensor([1, -4]), tg.tensor([2, 3]), nn.ReLU()).tolist() == [3, 0]
    a, b = tg.tensor([1.0, -4.0]), tg.tensor([2.0, 3.0], dtype=tg.float64)
    assert fusion.add_relu(a, b, nn.ReLU()).tolist() == [3, 0]


def test_a_blocks_end_has_right_second_derivatives():
    a, b = drawn(3, 4), drawn(3, 4, seed=1)
    relu = nn.ReLU()
    gradcheck(lambda a, b: fusion.add_relu(a, b, relu), (a, b))
    gradgradcheck(lambda a, b: fusion.add_relu(a, b, relu), (a, b))
    x = tg.tensor(a, requires_grad=True)
    fusion.add_relu(x, x, relu).backward(tg.ones(3, 4, dtype=tg.float64))
    np.testing.assert_array_equal(x.grad.numpy(), 2.0 * (a > 0))  # one gradient, twice


def test_saved_activations_of_a_pooled_convolution_are_the_pooled_ones():
    net = nn.Sequential(conv(padding=1), nn.ReLU(), nn.MaxPool2d(2))
    y = net(tg.tensor(drawn(2, 2, 8, 8)))
    assert [value.shape for value in y.gate.saved] == [(2, 2, 8, 8), (4, 2, 3, 3), (2, 4, 4, 4)]


@pytest.mark.parametrize("cut", [0.0, np.nan])
def test_kinks_and_nan_go_as_without_fusion(cut):
    fused, plain = twins("conv, relu, pool")
    for net in (fused, plain):
        net[0].weight.array[...] = 0  # every value is the bias
        net[0].bias.array[...] = [0.0, -1.0, 1.0, cut]
    x, grad = drawn(1, 2, 4, 4), drawn(1, 4, 2, 2)
    assert_close(
        results(fused, lambda net, t: net(t), x, grad), results(plain, one_by_one, x, grad)
    )
