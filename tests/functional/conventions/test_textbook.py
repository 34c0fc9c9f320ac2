"""Rows of docs/conventions.md: Where the textbook and PyTorch differ."""

from __future__ import annotations

import math

import numpy as np
import pytest

NAN = math.nan


def test_adam_first_step(lib):
    w = lib.tensor([1.0], requires_grad=True)
    for settings, length in (({}, 1.0), ({"bias_correction": False}, 0.1 / math.sqrt(0.001))):
        with lib.no_grad():
            w.fill_(1.0)
        w.grad = lib.tensor([3.0])
        lib.optim.Adam([w], lr=0.01, **settings).step()
        assert w.item() == pytest.approx(1 - 0.01 * length, rel=1e-6)


@pytest.mark.parametrize(("name", "grads"), [("Adam", 1), ("RMSprop", 1), ("Adagrad", 1)])
def test_eps_of_adaptive_steps(lib, name, grads):
    w = lib.zeros(1, dtype=lib.float64, requires_grad=True)
    w.grad = lib.tensor([1e-8], dtype=lib.float64)
    settings = {"alpha": 0.0} if name == "RMSprop" else {}
    getattr(lib.optim, name)([w], lr=1.0, eps=1e-8, **settings).step()
    assert w.item() == pytest.approx(-0.5)  # g / (|g| + eps)


def test_momentum_while_the_step_size_falls(lib):
    ends = {}
    for formulation in ("pytorch", "textbook"):
        w = lib.zeros(1, requires_grad=True)
        sgd = lib.optim.SGD([w], lr=1.0, momentum=0.5, formulation=formulation)
        for lr in (1.0, 0.1):
            sgd.param_groups[0]["lr"] = lr
            w.grad = lib.ones(1)
            sgd.step()
        ends[formulation] = w.item()
    assert ends["pytorch"] == pytest.approx(-1 - 0.1 * (1 + 0.5))
    assert ends["textbook"] == pytest.approx(-1 - (0.1 + 0.5 * 1))


def test_l2_penalty(lib):
    w = lib.tensor([[3.0, 4.0]], requires_grad=True)
    lib.nn.regularizers.L2(0.1)(w).backward()
    np.testing.assert_allclose(w.grad.numpy(), [[0.3, 0.4]], rtol=1e-6)
    assert lib.nn.regularizers.L2(0.1, half=False)(w).item() == pytest.approx(2.5)


def test_elastic_net_penalty(lib):
    w = lib.tensor([[3.0, -4.0]])
    assert lib.nn.regularizers.ElasticNet(0.1, 0.01)(w).item() == pytest.approx(0.7 + 0.25)


def test_multiclass_svm_loss_beside_multi_margin_loss(lib, F):
    scores = lib.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0]])  # cat and car of the textbook
    labels = lib.tensor([0, 1])
    assert F.multiclass_svm_loss(scores, labels).item() == pytest.approx((2.9 + 0) / 2)
    assert F.multi_margin_loss(scores, labels).item() == pytest.approx((2.9 + 0) / 2 / 3)


def test_dropout_probability(lib, F):
    lib.manual_seed(0)
    kept = F.dropout(lib.ones(10_000), 0.2)
    assert sorted(set(kept.tolist())) == [0, 1.25]
    assert kept.count_nonzero().item() == pytest.approx(8000, rel=0.02)


@pytest.mark.parametrize(("fan", "std"), [("average", math.sqrt(2 / 400)), ("in", 0.1)])
def test_xavier_fan(lib, fan, std):
    lib.manual_seed(0)
    weight = lib.nn.init.xavier_normal_(lib.empty(300, 100), fan=fan)
    assert weight.std().item() == pytest.approx(std, rel=0.02)


def test_image_that_strides_do_not_tile(lib, F):
    assert tuple(F.conv2d(lib.zeros(1, 1, 6, 6), lib.zeros(1, 1, 3, 3), stride=2).shape[2:]) == (
        2,
        2,
    )
    pattern = {"kernel_size": 3, "stride": 2, "padding": 0}
    with pytest.raises(ValueError, match=r"\(6 - 3 .*\)/2 \+ 1"):
        lib.models.convnet("INPUT -> CONV -> FC", (1, 6, 6), filters=1, **pattern)


def test_training_on_a_loss_that_is_nan(lib):
    batches = lib.data.DataLoader([(np.float32([NAN, 1]), 0), (np.float32([0, 1]), 1)], 2)
    net = lib.nn.Linear(2, 2)
    trainer = lib.training.Trainer(net, lib.optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(FloatingPointError, match="nan at step 0"):
        trainer.fit(batches, batches, epochs=1)
