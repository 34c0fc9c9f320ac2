"""state_dict and load_state_dict: values go out and come back, or nothing changes and all is said."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv import nn


def small_net(generator=None):
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, generator=generator),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8, 3, generator=generator),
    )


def test_names_come_parameters_first_then_buffers_then_parts():
    net = nn.Module()
    net.layer = nn.Linear(1, 1)
    net.register_buffer("b", tg.zeros(1))
    net.register_buffer("hidden", tg.zeros(1), persistent=False)
    net.w = nn.Parameter([1.0])
    assert list(net.state_dict()) == ["w", "b", "layer.weight", "layer.bias"]
    assert next(iter(net.state_dict(prefix="net."))) == "net.w"


def test_shared_parameters_appear_under_each_name():
    net = nn.Module()
    net.a = nn.Linear(1, 1)
    net.b = net.a
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    net.load_state_dict(net.state_dict())


def test_values_share_memory_outside_the_graph():
    net = nn.Linear(2, 2)
    state = net.state_dict()
    assert not state["weight"].requires_grad
    assert np.shares_memory(state["weight"].array, net.weight.array)
    assert net.state_dict(keep_vars=True)["weight"] is net.weight


@given(st.integers(0, 2**32 - 1))
def test_round_trip_gives_the_same_bits(seed):
    source = small_net(tg.Generator(seed))
    target = small_net(tg.Generator(seed + 1))
    keys = target.load_state_dict(source.state_dict())
    assert repr(keys) == "<All keys matched successfully>"
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        assert mine.numpy().tobytes() == theirs.numpy().tobytes()
        assert not np.shares_memory(mine.array, theirs.array)


def test_arrays_numbers_and_other_dtypes_are_taken():
    layer = nn.Linear(2, 1)
    layer.register_buffer("count", tg.tensor(0))
    layer.load_state_dict(
        {"weight": np.array([[1, 2]]), "bias": np.array([0.5]), "count": np.int64(7)}
    )
    assert layer.weight.tolist() == [[1.0, 2.0]]
    assert layer.weight.dtype == np.float32
    assert layer.bias.tolist() == [0.5]
    assert layer.count.item() == 7


def test_all_misfits_are_listed_at_once_and_nothing_changes():
    net = small_net()
    before = [p.numpy().copy() for p in net.parameters()]
    given = net.state_dict()
    given = {name: value + 1.0 for name, value in given.items()}
    del given["0.bias"]
    given["3.weight"] = np.zeros((8, 3))
    given["head.weight"] = np.zeros(1)
    message = (
        "load_state_dict: the entries do not fit Sequential: missing '0.bias'; unexpected "
        "'head.weight'; '3.weight' has shape (8, 3) but the module's is (3, 8)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        net.load_state_dict(given)
    for old, param in zip(before, net.parameters(), strict=True):
        np.testing.assert_array_equal(param.numpy(), old)


def test_without_strict_names_may_differ_but_not_shapes():
    net = nn.Linear(2, 1)
    keys = net.load_state_dict({"weight": np.ones((1, 2)), "extra": np.ones(1)}, strict=False)
    assert keys.missing_keys == ["bias"]
    assert keys.unexpected_keys == ["extra"]
    assert repr(keys) == "IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['extra'])"
    assert net.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match=r"'weight' has shape \(3,\) but the module's is \(1, 2\)"):
        net.load_state_dict({"weight": np.ones(3)}, strict=False)


def test_assign_takes_the_memory_and_dtype():
    layer = nn.Linear(2, 1)
    state = {"weight": tg.ones(1, 2, dtype=tg.float64), "bias": tg.zeros(1, dtype=tg.float64)}
    layer.load_state_dict(state, assign=True)
    assert np.shares_memory(layer.weight.array, state["weight"].array)
    assert layer.weight.requires_grad
    assert layer(tg.ones(1, 2, dtype=tg.float64)).item() == 2.0
    with pytest.raises(TypeError, match="a parameter cannot be int64"):
        layer.load_state_dict({"weight": np.ones((1, 2), int), "bias": np.zeros(1)}, assign=True)


@pytest.mark.parametrize(
    ("state", "message"),
    [([1, 2], "expected a mapping of names to tensors, got list"),
     ({"weight": "ones", "bias": None}, "'weight' must be a tensor or an array, got str"),
     ({"weight": np.array(["a"])}, "'weight' must be a tensor or an array, got an array of <U1")],
)  # fmt: skip
def test_things_that_are_no_state(state, message):
    with pytest.raises(TypeError, match=message):
        nn.Linear(1, 1).load_state_dict(state)


def test_loading_after_forward_is_seen_by_backward():
    layer = nn.Linear(2, 1)
    x = tg.ones(1, 2, requires_grad=True)
    loss = layer(x).sum()
    layer.load_state_dict({"weight": np.zeros((1, 2)), "bias": np.zeros(1)})
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_saved_file_restores_a_network(tmp_path):
    source, target = small_net(), small_net()
    tg.save(source.state_dict(), tmp_path / "net.safetensors")
    target.load_state_dict(tg.load(tmp_path / "net.safetensors"))
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
