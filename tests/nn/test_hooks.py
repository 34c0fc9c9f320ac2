"""Hooks see and replace what goes through a module, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn


class Scale(nn.Module):
    """x times a factor."""

    def forward(self, x, factor=2.0):
        return x * factor


class Product(nn.Module):
    """Of two tensors."""

    def forward(self, a, b):
        return a * b


def test_forward_hooks_see_arguments_and_output_in_order():
    layer, seen = Scale(), []
    layer.register_forward_pre_hook(lambda m, args: seen.append(("before", args[0].item())))
    layer.register_forward_hook(lambda m, args, out: seen.append(("after", out.item())))
    layer.register_forward_hook(lambda m, args, out: seen.append("first"), prepend=True)
    layer(tg.tensor(3.0))
    assert seen == [("before", 3.0), "first", ("after", 6.0)]


def test_hooks_replace_arguments_and_output():
    layer = Scale()
    layer.register_forward_pre_hook(lambda m, args: args[0] + 1.0)
    layer.register_forward_hook(lambda m, args, out: out * 10.0)
    assert layer(tg.tensor(3.0)).item() == 80.0


def test_hooks_see_and_replace_keywords():
    layer, seen = Scale(), []
    layer.register_forward_pre_hook(lambda m, args, kw: (args, {"factor": 5.0}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kw, out: seen.append(kw), with_kwargs=True)
    assert layer(tg.tensor(3.0), factor=1.0).item() == 15.0
    assert seen == [{"factor": 5.0}]


def test_removed_hooks_are_not_called():
    layer, calls = Scale(), []
    handle = layer.register_forward_hook(lambda *args: calls.append("kept"))
    with layer.register_forward_hook(lambda *args: calls.append("block")):
        layer(tg.tensor(1.0))
    handle.remove()
    handle.remove()
    layer(tg.tensor(1.0))
    assert calls == ["kept", "block"]


def test_backward_hook_gets_both_gradients():
    layer, seen = Scale(), []
    layer.register_full_backward_hook(
        lambda m, gin, gout: seen.append((m, gin[0].tolist(), gout[0].tolist()))
    )
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (layer(x) * tg.tensor([3.0, 4.0])).sum().backward()
    assert seen == [(layer, [6.0, 8.0], [3.0, 4.0])]
    assert x.grad.tolist() == [6.0, 8.0]


def test_backward_hook_replaces_the_gradient_of_a_single_input():
    layer = Scale()
    layer.register_full_backward_hook(lambda m, gin, gout: (gin[0] * 100.0,))
    x = tg.tensor([1.0], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [200.0]


def test_backward_hook_of_two_inputs_runs_once_when_both_are_known():
    layer, seen = Product(), []
    layer.register_full_backward_hook(lambda m, gin, gout: seen.append([g.item() for g in gin]))
    a, b = tg.tensor(2.0, requires_grad=True), tg.tensor(5.0, requires_grad=True)
    out = layer(a, b)
    out.backward(retain_graph=True)
    out.backward()
    assert seen == [[5.0, 2.0], [5.0, 2.0]]


def test_backward_hook_cannot_replace_one_of_two_gradients():
    layer = Product()
    layer.register_full_backward_hook(lambda m, gin, gout: gin)
    a, b = tg.tensor(2.0, requires_grad=True), tg.tensor(5.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="only that of a single input"):
        layer(a, b).backward()


def test_backward_hook_of_a_first_layer_has_no_input_gradient():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout[0].shape)))
    layer(tg.ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 1))]
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [[3.0, 3.0]])


def test_hooks_must_be_functions_and_pre_hooks_return_pairs():
    with pytest.raises(TypeError, match="expected a function, got 3"):
        Scale().register_forward_hook(3)
    layer = Scale()
    layer.register_forward_pre_hook(lambda m, args, kw: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"return None or \(args, kwargs\)"):
        layer(tg.tensor(1.0))
