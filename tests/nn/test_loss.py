"""Losses as modules: the functions' values, PyTorch's arguments and numbers, weights as buffers."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn

F = tg.functional


def scores_and_labels(rng):
    return [rng.standard_normal((6, 4))], [rng.integers(0, 4, 6)]


def two_alike(rng):
    return [rng.standard_normal((5, 3))], [rng.standard_normal((5, 3))]


def probabilities(rng):
    return [rng.uniform(0.05, 0.95, (5, 3))], [rng.uniform(0, 1, (5, 3))]


def logits(rng):
    return [rng.standard_normal((5, 3))], [rng.uniform(0, 1, (5, 3))]


def log_probabilities(rng):
    x, y = (rng.standard_normal((5, 3)) for _ in range(2))
    return [x - np.log(np.exp(x).sum(1, keepdims=True))], [np.exp(y) / np.exp(y).sum(1)[:, None]]


def signs(rng):
    return [rng.standard_normal((5, 3))], [rng.choice([-1.0, 1.0], (5, 3))]


def pairs_and_signs(rng):
    return [rng.standard_normal(5), rng.standard_normal(5)], [rng.choice([-1.0, 1.0], 5)]


def rows_and_signs(rng):
    return [rng.standard_normal((5, 3)) for _ in range(2)], [rng.choice([-1.0, 1.0], 5)]


def triplets(rng):
    return [rng.standard_normal((5, 3)) for _ in range(3)], []


def means_and_variances(rng):
    mean, target = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    return [mean], [target, rng.uniform(0.1, 1.0, (5, 3))]


WEIGHT = np.array([0.5, 1.0, 2.0, 0.1])
CASES = [
    ("CrossEntropyLoss", {}, scores_and_labels),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "weight": WEIGHT}, scores_and_labels),
    ("CrossEntropyLoss", {"ignore_index": 2, "reduction": "none"}, scores_and_labels),
    ("NLLLoss", {"weight": WEIGHT}, scores_and_labels),
    ("NLLLoss", {"ignore_index": 1, "reduction": "sum"}, scores_and_labels),
    ("MultiMarginLoss", {}, scores_and_labels),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": WEIGHT}, scores_and_labels),
    ("BCELoss", {}, probabilities),
    ("BCELoss", {"weight": np.array([1.0, 2.0, 0.5]), "reduction": "sum"}, probabilities),
    ("BCEWithLogitsLoss", {}, logits),
    ("BCEWithLogitsLoss", {"pos_weight": np.array([1.0, 2.0, 0.5])}, logits),
    ("MSELoss", {}, two_alike),
    ("MSELoss", {"reduction": "none"}, two_alike),
    ("L1Loss", {"reduction": "sum"}, two_alike),
    ("SmoothL1Loss", {"beta": 0.3}, two_alike),
    ("HuberLoss", {"delta": 0.3}, two_alike),
    ("KLDivLoss", {"reduction": "sum"}, log_probabilities),
    ("KLDivLoss", {"log_target": True, "reduction": "none"}, two_alike),
    ("SoftMarginLoss", {}, signs),
    ("HingeEmbeddingLoss", {"margin": 0.4}, signs),
    ("MarginRankingLoss", {"margin": 0.4}, pairs_and_signs),
    ("CosineEmbeddingLoss", {"margin": 0.1}, rows_and_signs),
    ("TripletMarginLoss", {"margin": 0.7, "p": 1.5, "swap": True}, triplets),
    ("GaussianNLLLoss", {"full": True}, means_and_variances),
]
EACH = [
    pytest.param(*case, id=f"{case[0]} {', '.join(case[1])} {case[1].get('reduction', '')}")
    for case in CASES
]


@pytest.mark.torch
@pytest.mark.parametrize(("name", "options", "make"), EACH)
def test_pytorch_gives_the_same_loss_and_gradients(name, options, make):
    torch = pytest.importorskip("torch")

    def built(lib, tensor):
        given = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return getattr(lib, name)(**given)

    inputs, rest = make(np.random.default_rng(0))
    mine = [tg.tensor(x, requires_grad=True) for x in inputs]
    others = [torch.tensor(x, requires_grad=True) for x in inputs]
    loss = built(nn, tg.tensor)(*mine, *map(tg.tensor, rest))
    other = built(torch.nn, torch.tensor)(*others, *map(torch.tensor, rest))
    np.testing.assert_allclose(loss.detach().numpy(), other.detach().numpy(), rtol=1e-9)
    loss.sum().backward()
    other.sum().backward()
    for x, y in zip(mine, others, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_a_loss_prints_its_name_and_refuses_another_reduction(name):
    assert repr(getattr(nn, name)()) == f"{name}()"
    with pytest.raises(ValueError, match=f"{name}: reduction must be 'mean', 'sum' or 'none', got"):
        getattr(nn, name)(reduction="average")


def test_every_loss_of_pytorchs_is_held_to_it():
    ours = {name for name in nn.__all__ if name.endswith("Loss")}
    assert ours - {"MulticlassSVMLoss"} == {case[0] for case in CASES}


def test_the_texts_hinge_loss_is_not_divided_by_the_classes():
    x, y = tg.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]), tg.tensor([0, 1, 2])
    # The text's table of cat, car, frog: 2.9, 0 and 12.9 a picture.
    loss = nn.MulticlassSVMLoss()(x, y).item()
    assert loss == pytest.approx((2.9 + 0.0 + 12.9) / 3)
    assert nn.MultiMarginLoss()(x, y).item() * 3 == pytest.approx(loss)
    assert repr(nn.MulticlassSVMLoss(2.0)) == "MulticlassSVMLoss(delta=2.0)"


def test_weights_are_buffers_that_convert_and_are_saved():
    loss = nn.CrossEntropyLoss(weight=tg.ones(3)).double()
    assert list(loss.state_dict()) == ["weight"]
    assert loss.weight.dtype == np.float64
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    assert nn.BCEWithLogitsLoss(pos_weight=tg.ones(1)).state_dict()["pos_weight"].tolist() == [1.0]


def test_similarity_and_distance_of_rows():
    a, b = tg.tensor([[3.0, 4.0], [1.0, 0.0]]), tg.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert nn.CosineSimilarity()(a, b).tolist() == pytest.approx([1.0, 0.0])
    assert nn.PairwiseDistance(1.0, eps=0.0)(a, b).tolist() == pytest.approx([0.0, 3.0])
    assert nn.PairwiseDistance(keepdim=True)(a, b).shape == (2, 1)
