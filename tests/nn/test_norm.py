"""Normalisation layers: statistics by formula, running ones as PyTorch's, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape) * 3.0 + 2.0


def test_batch_norm_by_the_formula_and_its_running_statistics():
    layer = nn.BatchNorm2d(3, momentum=0.25).double()
    nn.init.constant_(layer.weight, 2.0)
    nn.init.constant_(layer.bias, 0.5)
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(3):
        x = drawn(4, 3, 5, 2, seed=seed)
        m, v = x.mean((0, 2, 3)), x.var((0, 2, 3))
        want = 2.0 * (x - m[:, None, None]) / np.sqrt(v + 1e-5)[:, None, None] + 0.5
        np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), want, rtol=1e-9)
        mean = 0.75 * mean + 0.25 * m
        var = 0.75 * var + 0.25 * x.var((0, 2, 3), ddof=1)
        np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-12)
        np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-12)
    assert layer.num_batches_tracked.item() == 3
    x, kept = drawn(2, 3, 2, 2, seed=9), layer.running_mean.numpy().copy()
    want = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None] * 2.0 + 0.5
    np.testing.assert_allclose(layer.eval()(tg.tensor(x)).numpy(), want, rtol=1e-9)
    np.testing.assert_array_equal(layer.running_mean.numpy(), kept)
    assert layer.num_batches_tracked.item() == 3


def test_without_momentum_all_batches_count_alike():
    layer = nn.BatchNorm1d(2, momentum=None).double()
    batches = [drawn(6, 2, seed=seed) for seed in range(4)]
    for x in batches:
        layer(tg.tensor(x))
    want = np.mean([x.mean(0) for x in batches], 0)
    np.testing.assert_allclose(layer.running_mean.numpy(), want, rtol=1e-12)
    want = np.mean([x.var(0, ddof=1) for x in batches], 0)
    np.testing.assert_allclose(layer.running_var.numpy(), want, rtol=1e-12)


def test_without_running_statistics_eval_uses_the_batch():
    layer = nn.BatchNorm1d(2, track_running_stats=False).double()
    x = tg.tensor(drawn(6, 2))
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer(x).tolist() == layer.eval()(x).tolist()


def test_statistics_are_saved_converted_and_forgotten():
    layer = nn.BatchNorm2d(2)
    layer(tg.tensor(drawn(2, 2, 3, 3).astype(np.float32)))
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(layer.state_dict()) == names
    twin = nn.BatchNorm2d(2).double()
    twin.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(twin.running_var.numpy(), layer.running_var.numpy())
    assert twin.num_batches_tracked.dtype == np.int64
    nn.init.zeros_(layer.weight)
    layer.reset_parameters()
    assert layer.running_mean.tolist() == [0.0, 0.0]
    assert layer.running_var.tolist() == [1.0, 1.0]
    assert layer.num_batches_tracked.item() == 0
    assert layer.weight.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("layer", "x"),
    [(nn.LayerNorm((4, 5), elementwise_affine=False), (3, 4, 5)),
     (nn.GroupNorm(2, 4, affine=False), (3, 4, 5)), (nn.InstanceNorm2d(4), (3, 4, 5, 5))],
    ids=["layer", "group", "instance"],
)  # fmt: skip
def test_each_part_gets_mean_zero_and_variance_one(layer, x):
    y = layer(tg.tensor(drawn(*x))).numpy()
    parts = {3: y.reshape(3, -1), 4: y.reshape(12, -1)}[y.ndim]
    parts = parts.reshape(6, -1) if isinstance(layer, nn.GroupNorm) else parts
    np.testing.assert_allclose(parts.mean(1), 0.0, atol=1e-7)
    np.testing.assert_allclose(parts.var(1), 1.0, rtol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.BatchNorm2d(0), "BatchNorm2d: num_features must be at least 1, got 0"),
        (lambda: nn.BatchNorm2d(3)(tg.zeros(2, 4, 5, 5)),
         r"BatchNorm2d: input \(2, 4, 5, 5\) should have 4 dimensions, the second of length 3"),
        (lambda: nn.BatchNorm1d(3)(tg.zeros(3)), r"should have 2 or 3 dimensions"),
        (lambda: nn.InstanceNorm2d(3)(tg.zeros(2, 4, 5, 5)), "3 or 4 dimensions and 3 channels"),
        (lambda: nn.GroupNorm(3, 4), "num_channels=4 is not a multiple of num_groups=3"),
    ],
)  # fmt: skip
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "momentum"),
    [("BatchNorm1d", 0.1), ("BatchNorm1d", None), ("BatchNorm2d", 0.1), ("BatchNorm2d", None),
     ("InstanceNorm2d", 0.1)],
)  # fmt: skip
def test_running_statistics_follow_pytorchs(name, momentum):
    torch = pytest.importorskip("torch")
    options = {"momentum": momentum, "track_running_stats": True, "affine": True}
    ours = getattr(nn, name)(3, **options).double()
    theirs = getattr(torch.nn, name)(3, **options).double()
    for seed in range(4):
        x = drawn(*((5, 3) if name == "BatchNorm1d" else (4, 3, 2, 5)), seed=seed)
        np.testing.assert_allclose(
            ours(tg.tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-9
        )
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-12)
    x = drawn(*((2, 3) if name == "BatchNorm1d" else (1, 3, 4, 4)), seed=9)
    np.testing.assert_allclose(
        ours.eval()(tg.tensor(x)).numpy(),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=1e-9,
    )
