"""A module finds its parameters, buffers and parts, and acts on all of them."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn


class Net(nn.Module):
    """Two layers, a shared weight, a buffer of each kind."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
        self.scale = nn.Parameter([2.0])
        self.tied = self.first.weight
        self.register_buffer("mean", tg.zeros(3))
        self.register_buffer("cache", tg.ones(1), persistent=False)

    def forward(self, x):
        return self.second(self.first(x - self.mean) * self.scale)


def test_parameters_are_named_by_path_and_shared_ones_counted_once():
    names = [name for name, _ in Net().named_parameters()]
    assert names == ["scale", "tied", "first.bias", "second.0.weight", "second.0.bias"]
    everything = [name for name, _ in Net().named_parameters(remove_duplicate=False)]
    assert everything == [
        "scale", "tied", "first.weight", "first.bias", "second.0.weight", "second.0.bias",
    ]  # fmt: skip


def test_prefix_and_recurse():
    assert [n for n, _ in Net().named_parameters("net", recurse=False)] == ["net.scale", "net.tied"]
    assert [n for n, _ in Net().named_modules(prefix="net")][:2] == ["net", "net.first"]


def test_buffers_are_no_parameters():
    assert [name for name, _ in Net().named_buffers()] == ["mean", "cache"]
    assert [b.shape for b in Net().buffers()] == [(3,), (1,)]


def test_modules_come_in_order_and_once():
    net = Net()
    net.again = net.first
    assert [n for n, _ in net.named_modules()] == ["", "first", "second", "second.0", "second.1"]
    assert [n for n, _ in net.named_children()] == ["first", "second"]
    assert next(iter(net.modules())) is net
    assert [type(m).__name__ for m in net.children()] == ["Linear", "Sequential"]


def test_a_module_needs_no_call_of_its_base_class():
    class Bare(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 1)

    assert len(list(Bare().parameters())) == 2
    assert Bare().training


def test_forward_must_be_defined():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must define forward"):
        Empty()(tg.zeros(1))


def test_train_and_eval_reach_every_part():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train().second[1].training
    with pytest.raises(ValueError, match="mode must be a bool, got 'yes'"):
        net.train("yes")


def test_apply_goes_from_the_inside_out():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "Linear", "Dropout", "Sequential", "Net"]


def test_zero_grad_forgets_or_fills_with_zeros():
    net = Net()
    net(tg.ones(4, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_requires_grad_freezes_and_thaws():
    net = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net.eval()(tg.ones(1, 3)).requires_grad
    assert all(p.requires_grad for p in net.requires_grad_().parameters())


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda m: m.double(), id="double"),
        pytest.param(lambda m: m.to(tg.float64), id="dtype"),
        pytest.param(lambda m: m.to("cpu", "float64"), id="device and dtype"),
        pytest.param(lambda m: m.to(tg.zeros(1, dtype=tg.float64)), id="as a tensor"),
        pytest.param(lambda m: m.to(dtype=np.float64, device="cpu"), id="keywords"),
    ],
)
def test_conversion_changes_floats_in_place(convert):
    net = Net()
    net.register_buffer("count", tg.tensor(3))
    net(tg.ones(1, 3)).sum().backward()
    before = dict(net.named_parameters())
    assert convert(net) is net
    for name, param in net.named_parameters():
        assert param is before[name]
        assert param.dtype == param.grad.dtype == np.float64
    assert net.mean.dtype == np.float64
    assert net.count.dtype == np.int64
    assert net.float().scale.dtype == np.float32
    assert net.cpu() is net


def test_conversion_refuses_integers_and_unknown_devices():
    with pytest.raises(TypeError, match="cannot become int64"):
        Net().to(tg.int64)
    with pytest.raises(ValueError, match="'tpu'"):
        Net().to("tpu")


def test_a_converted_module_still_learns():
    layer = nn.Linear(2, 1).double()
    optimizer = tg.optim.SGD(layer.parameters(), lr=1.0)
    layer(tg.ones(1, 2, dtype=tg.float64)).sum().backward()
    before = layer.bias.item()
    optimizer.step()
    assert layer.bias.item() == pytest.approx(before - 1.0)


def test_a_parameter_keeps_its_kind():
    net = Net()
    with pytest.raises(TypeError, match=r"Net\.scale is a parameter and cannot become Tensor"):
        net.scale = tg.ones(1)
    with pytest.raises(TypeError, match=r"Net\.mean is a buffer and cannot become float"):
        net.mean = 0.5
    net.mean = tg.ones(3)
    assert dict(net.named_buffers())["mean"] is net.mean
    net.scale = None
    assert "scale" not in dict(net.named_parameters())
    del net.tied
    assert "first.weight" in dict(net.named_parameters())


def test_a_parameter_shares_a_tensors_memory_and_refuses_integers():
    values = tg.zeros(2)
    param = nn.Parameter(values)
    nn.init.constant_(values, 5.0)
    assert param.tolist() == [5.0, 5.0]
    assert isinstance(param, tg.Tensor)
    assert param.requires_grad
    assert not nn.Parameter(values, requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="only floats can be learned, got int64"):
        nn.Parameter([1, 2])


@pytest.mark.parametrize("register", ["register_parameter", "register_buffer", "register_module"])
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("", KeyError, "must not be empty"), ("a.b", KeyError, "contain '.', got 'a.b'"),
     (3, TypeError, "name must be a str, got 3"),
     ("forward", KeyError, "Net already has an attribute 'forward'")],
)  # fmt: skip
def test_registering_under_an_impossible_name(register, name, error, message):
    with pytest.raises(error, match=message):
        getattr(Net(), register)(name, None)


@pytest.mark.parametrize(
    ("register", "wanted"),
    [("register_parameter", "Parameter"), ("register_buffer", "Tensor"),
     ("add_module", "Module")],
)  # fmt: skip
def test_registering_something_of_another_kind(register, wanted):
    with pytest.raises(TypeError, match=f"'x' must be a {wanted} or None, got float"):
        getattr(Net(), register)("x", 0.5)


def test_registering_is_assigning():
    net = nn.Module()
    net.register_parameter("w", nn.Parameter([1.0]))
    net.register_parameter("none", None)
    net.register_module("layer", nn.ReLU())
    assert [n for n, _ in net.named_parameters()] == ["w"]
    assert [n for n, _ in net.named_children()] == ["layer"]
    assert net.none is None


def test_parts_are_found_by_path():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("second.0") is net.second[0]
    assert net.get_parameter("second.0.bias") is net.second[0].bias
    assert net.get_buffer("mean") is net.mean
    with pytest.raises(AttributeError, match=r"Net has no module 'second\.7'"):
        net.get_submodule("second.7")
    with pytest.raises(AttributeError, match=r"Net has no 'first\.gain'"):
        net.get_parameter("first.gain")
    with pytest.raises(AttributeError, match="Net has no 'scale'"):
        net.get_buffer("scale")


@pytest.mark.parametrize(
    ("plain", "cure"),
    [([nn.ReLU()], "ModuleList"), ((nn.ReLU(),), "ModuleList"), ({"a": nn.ReLU()}, "ModuleDict")],
)
def test_a_plain_collection_of_modules_is_warned_of_once(plain, cure):
    net = nn.Module()
    with pytest.warns(UserWarning, match=rf"Module\.parts is a plain .* use nn\.{cure}"):
        net.parts = plain
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(net.parameters()) == []
        net.sizes = [1, 2]
        net.options = {"a": 1}


def test_a_list_filled_later_is_warned_of_too():
    net = nn.Module()
    net.parts = []
    net.parts.append(nn.Linear(1, 1))
    with pytest.warns(UserWarning, match=r"use nn\.ModuleList"):
        list(net.parameters())


def test_repr_shows_the_tree():
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Linear(in_features=3, out_features=3, bias=True)\n"
        "  (second): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=2, bias=True)\n"
        "    (1): Dropout(p=0.5, inplace=False)\n"
        "  )\n"
        ")"
    )


def test_copies_are_independent_and_keep_what_is_shared():
    net = Net()
    twin = copy.deepcopy(net)
    assert twin.tied is twin.first.weight
    assert twin.tied is not net.tied
    nn.init.zeros_(twin.tied)
    assert (net.tied.numpy() != 0).any()
    restored = pickle.loads(pickle.dumps(nn.Linear(2, 2)))
    assert isinstance(restored.weight, nn.Parameter)


def test_functional_is_one_module():
    import tinygrad_cv.nn.functional as F

    assert F is tg.functional is nn.functional
