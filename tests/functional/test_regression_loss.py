"""Losses between numbers and distributions, margins between pairs, similarities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import check_refused

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

REDUCTIONS = ["mean", "sum", "none"]
few = settings(max_examples=min(10, settings.default.max_examples))  # of each of many calls
seeds = st.integers(0, 2**32 - 1)


def draws(seed, *shape):
    """Two arrays of numbers, two of probabilities, one of signs."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, *shape)) * 2
    p, q = rng.random((2, *shape)) * 0.98 + 0.01
    return {"x": x, "y": y, "p": p, "q": q, "s": rng.choice([-1.0, 1.0], shape)}


@pytest.mark.torch
@pytest.mark.parametrize(
    "call",
    [
        "F.mse_loss(x, y, {})",
        "F.mse_loss(x, y, weight=p.detach(), {})",
        "F.l1_loss(x, y, {})",
        "F.smooth_l1_loss(x, y, {})",
        "F.smooth_l1_loss(x, y, beta=0.4, {})",
        "F.huber_loss(x, y, {})",
        "F.huber_loss(x, y, delta=0.3, weight=q.detach(), {})",
        "F.binary_cross_entropy(p, q, {})",
        "F.binary_cross_entropy(p, q, weight=x[0].detach(), {})",
        "F.binary_cross_entropy_with_logits(x, q, {})",
        "F.binary_cross_entropy_with_logits(x, q, p.detach(), pos_weight=q[0].detach(), {})",
        "F.kl_div(x, p, {})",
        "F.kl_div(x, y, log_target=True, {})",
        "F.gaussian_nll_loss(x, y, p, full=True, eps=0.3, {})",
        "F.gaussian_nll_loss(x, y, p[:, :1], {})",
        "F.hinge_embedding_loss(x, s.detach(), margin=0.5, {})",
        "F.margin_ranking_loss(x, y, s.detach(), margin=0.5, {})",
        "F.soft_margin_loss(x, s.detach(), {})",
        "F.cosine_embedding_loss(x, y, s[:, 0].detach(), margin=0.1, {})",
        "F.triplet_margin_loss(x, y, p, {})",
        "F.triplet_margin_loss(x, y, p, margin=3, p=1, swap=True, {})",
    ],
)
@few
@given(seed=seeds, reduction=st.sampled_from(REDUCTIONS))
def test_losses_agree_with_torch(agree, call, seed, reduction):
    agree(call.format(f"reduction={reduction!r}"), **draws(seed, 3, 2))


@pytest.mark.torch
@pytest.mark.parametrize(
    "call",
    [
        "F.kl_div(x, p, reduction='batchmean')",
        "F.cosine_similarity(x, y)",
        "F.cosine_similarity(x, y[0], dim=0, eps=1.5)",
        "F.pairwise_distance(x, y)",
        "F.pairwise_distance(x, y[0], p=1, keepdim=True)",
        "F.pairwise_distance(x[0], y[0], p=3)",
        "F.normalize(x)",
        "F.normalize(x, p=1, dim=0)",
    ],
)
@few
@given(seed=seeds)
def test_similarities_agree_with_torch(agree, call, seed):
    # with eps=1.5 PyTorch's gradient is not that of its value
    agree(call, order=0 if "1.5" in call else 2, **draws(seed, 3, 2))


@pytest.mark.parametrize(
    "loss",
    [
        F.mse_loss,
        lambda x, y: F.smooth_l1_loss(x, y, beta=0.5, reduction="none"),
        lambda x, y: F.huber_loss(x, y, delta=0.7),
        lambda x, y: F.binary_cross_entropy_with_logits(x, y.sigmoid(), reduction="none"),
        lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), reduction="none"),
        lambda x, y: F.kl_div(x, y.exp(), reduction="none"),
        lambda x, y: F.cosine_similarity(x, y),
        lambda x, y: F.pairwise_distance(x, y, p=3),
        lambda x, y: F.normalize(x, p=3) * y,
        lambda x, y: F.triplet_margin_loss(x, y, x * y, swap=True),
    ],
    ids=[
        "mse",
        "smooth_l1",
        "huber",
        "bce_logits",
        "bce",
        "kl",
        "cosine",
        "distance",
        "norm",
        "triplet",
    ],
)
@few
@given(seed=seeds)
def test_losses_pass_gradient_checks(loss, seed):
    inputs = draws(seed, 2, 3)
    gradcheck(loss, (inputs["x"], inputs["y"]))
    gradgradcheck(loss, (inputs["x"], inputs["y"]))


def test_binary_cross_entropy_at_its_ends():
    x = tg.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, tg.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0]
    loss.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, pytest.approx(-1e12), pytest.approx(1e12)]


def test_scores_of_any_size_have_a_binary_cross_entropy():
    x = tg.tensor([1e4, -1e4, 0.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, tg.tensor([0.0, 0.0, 0.25]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [1e4, 0.0, np.log(2)], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1.0, 0.0, 0.25], rtol=1e-6)


def test_kinks_have_the_gradient_zero():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    F.l1_loss(x, tg.tensor([1.0, 0.0]), reduction="sum").backward()
    assert x.grad.tolist() == [0.0, 1.0]
    z = tg.zeros(1, 3, requires_grad=True)
    F.pairwise_distance(z, tg.zeros(1, 3), eps=0.0).backward(tg.ones(1))
    F.normalize(z).sum().backward()
    F.cosine_similarity(z, tg.zeros(1, 3)).sum().backward()
    assert np.isfinite(z.grad.numpy()).all()


def test_a_target_that_is_certain_costs_nothing_and_is_no_nan():
    t = tg.tensor([0.0, 1.0], requires_grad=True)
    loss = F.kl_div(tg.tensor([-1.0, 0.0]), t, reduction="none")
    assert loss.tolist() == [0.0, 0.0]
    loss.sum().backward()
    assert np.isfinite(t.grad.numpy()).all()


def test_shapes_that_broadcast_are_warned_of():
    with pytest.warns(UserWarning, match=r"target has shape \(3,\) but input \(3, 1\)"):
        assert F.mse_loss(tg.zeros(3, 1), tg.ones(3)).item() == 1.0


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: F.mse_loss(x, tg.zeros(4)), ValueError, r"\(2, 3\) but target \(4,\)"),
        (lambda x: F.mse_loss(x.long(), x.long()), TypeError, "expected floats, got input int64"),
        (lambda x: F.mse_loss(x, 3), TypeError, "target must be a Tensor, got int"),
        (lambda x: F.mse_loss(x, x, reduction="no"), ValueError, "got 'no'"),
        (lambda x: F.mse_loss(x, x, weight=x[0]), ValueError, r"weight has shape \(3,\)"),
        (lambda x: F.smooth_l1_loss(x, x, beta=-1), ValueError, "beta must be >= 0, got -1"),
        (lambda x: F.huber_loss(x, x, delta=0), ValueError, "delta must be > 0, got 0"),
        (lambda x: F.binary_cross_entropy(x + 2, x), ValueError, "0 to 1, got 2.0"),
        (lambda x: F.binary_cross_entropy(x, x[0]), ValueError, r"\(2, 3\) but target \(3,\)"),
        (lambda x: F.gaussian_nll_loss(x, x, x - 1), ValueError, "var must be >= 0, got -1.0"),
        (lambda x: F.gaussian_nll_loss(x, x, x, eps=0), ValueError, "eps must be > 0, got 0"),
        (lambda x: F.gaussian_nll_loss(x, x, x[:1]), ValueError, r"var has shape \(1, 3\)"),
        (lambda x: F.triplet_margin_loss(x, x, x, margin=0), ValueError, "margin must be > 0"),
        (lambda x: F.triplet_margin_loss(x, x, x[0]), ValueError, "as many dimensions"),
        (lambda x: F.margin_ranking_loss(x, x, x[0]), ValueError, "margin_ranking_loss: shapes"),
        (lambda x: F.cosine_embedding_loss(x, x, x), ValueError, r"expected \(N, D\) with \(N,\)"),
        (lambda x: F.soft_margin_loss(x, x[0]), ValueError, "soft_margin_loss: input has shape"),
        (lambda x: F.cosine_similarity(x, x, dim=2), IndexError, "dim 2 but the tensor has 2"),
        (lambda x: F.normalize(x.long()), TypeError, "expected floats, got int64"),
    ],
)
def test_losses_refuse_what_does_not_fit(call, error, match):
    check_refused(lambda: call(tg.zeros(2, 3)), error, match)
