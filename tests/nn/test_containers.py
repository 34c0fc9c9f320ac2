"""Containers hold modules, in order and by name."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn


def kinds(modules):
    return [type(module).__name__ for module in modules]


def test_sequential_runs_in_order_under_given_names():
    net = nn.Sequential({"scores": nn.Linear(2, 2), "relu": nn.ReLU()})
    assert list(net.state_dict()) == ["scores.weight", "scores.bias"]
    net.scores.load_state_dict({"weight": tg.eye(2), "bias": tg.tensor([-1.0, 0.0])})
    assert net(tg.tensor([[0.5, 0.5]])).tolist() == [[0.0, 0.5]]


def test_sequential_as_a_list():
    net = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Identity())
    assert len(net) == 3
    assert kinds(net) == ["Flatten", "ReLU", "Identity"]
    assert net[-1] is net[2]
    assert net[1] in net
    assert nn.ReLU() not in net
    net[1] = nn.Dropout()
    assert kinds(net) == ["Flatten", "Dropout", "Identity"]
    del net[0]
    assert [n for n, _ in net.named_children()] == ["0", "1"]
    assert kinds(net.append(nn.ReLU()).insert(0, nn.Flatten())) == [
        "Flatten", "Dropout", "Identity", "ReLU",
    ]  # fmt: skip
    del net[1:]
    assert kinds(net) == ["Flatten"]
    with pytest.raises(IndexError, match="Sequential: index 1 but it holds 1"):
        net[1]
    with pytest.raises(IndexError, match="index -2 but it holds 1"):
        del net[-2]


def test_a_slice_keeps_names_so_that_it_takes_part_of_a_state_dict():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    tail = net[1:]
    assert list(tail.state_dict()) == ["2.weight", "2.bias"]
    assert tail[1] is net[2]
    tail.append(nn.Flatten())
    assert kinds(tail) == ["ReLU", "Linear", "Flatten"]


def test_sequential_refuses_what_is_no_module():
    with pytest.raises(TypeError, match="'1' must be a Module or None, got function"):
        nn.Sequential(nn.ReLU(), tg.relu)


def test_module_list_registers_what_it_holds():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers += [nn.Linear(1, 1)]
    layers = nn.ModuleList(layers) + nn.ModuleList([nn.ReLU()])
    assert kinds(layers) == ["Linear", "Linear", "ReLU"]
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert isinstance(layers[:2], nn.ModuleList)
    assert [n for n, _ in layers[1:].named_children()] == ["0", "1"]
    with pytest.raises(NotImplementedError, match="ModuleList must define forward"):
        layers(tg.zeros(1))


def test_module_dict_registers_what_it_holds():
    heads = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    heads.update([("c", nn.Flatten())])
    assert list(heads) == ["a", "b", "c"] == list(heads.keys())
    assert kinds(heads.values()) == ["Linear", "ReLU", "Flatten"]
    assert [name for name, _ in heads.items()] == ["a", "b", "c"]
    assert "a" in heads
    assert "z" not in heads
    assert type(heads.pop("b")) is nn.ReLU
    del heads["c"]
    assert len(heads) == 1
    assert list(heads.state_dict()) == ["a.weight", "a.bias"]
    heads.clear()
    assert len(heads) == 0


def test_module_dict_names_what_it_lacks_or_cannot_hold():
    heads = nn.ModuleDict({"a": nn.ReLU()})
    with pytest.raises(KeyError, match=r"no module 'b'; it has \['a'\]"):
        heads["b"]
    with pytest.raises(TypeError, match="'b' must be a Module, got int"):
        heads["b"] = 3
    with pytest.raises(KeyError, match="already has an attribute 'keys'"):
        heads["keys"] = nn.ReLU()
