"""Losses of classifiers, against PyTorch and against their formulas."""

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


@st.composite
def classified(draw):
    """Scores with 0 to 2 dimensions after the classes, labels some of which are 1, weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = draw(st.integers(2, 5))
    tail = draw(st.lists(st.integers(1, 3), max_size=2))
    batch = draw(st.integers(1, 4))
    scores = rng.standard_normal((batch, classes, *tail)) * 3
    labels = rng.integers(0, classes, (batch, *tail))
    return scores, labels, rng.random(classes) + 0.1


@pytest.mark.torch
@given(
    case=classified(),
    reduction=st.sampled_from(REDUCTIONS),
    weighted=st.booleans(),
    ignore=st.sampled_from([-100, 1]),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_cross_entropy_of_labels_agrees_with_torch(
    agree, case, reduction, weighted, ignore, smoothing
):
    x, t, w = case
    t[0] = 0  # something must remain
    weight = "w.detach()" if weighted else "None"
    settings = f"ignore_index={ignore}, reduction={reduction!r}"
    agree(
        f"F.cross_entropy(x, t, {weight}, {settings}, label_smoothing={smoothing})", x=x, t=t, w=w
    )
    agree(f"F.nll_loss(F.log_softmax(x, 1), t, {weight}, {settings})", x=x, t=t, w=w)


@pytest.mark.torch
@given(
    case=classified(),
    reduction=st.sampled_from(REDUCTIONS),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.3]),
)
def test_cross_entropy_of_probabilities_agrees_with_torch(
    agree, case, reduction, weighted, smoothing
):
    x, _, w = case
    p = np.exp(x[::-1]) / np.exp(x[::-1]).sum(1, keepdims=True)
    weight = "w.detach()" if weighted else "None"
    agree(
        f"F.cross_entropy(x, p, {weight}, reduction={reduction!r}, label_smoothing={smoothing})",
        x=x,
        p=p,
        w=w,
    )


@pytest.mark.torch
@given(
    case=classified(),
    reduction=st.sampled_from(REDUCTIONS),
    weighted=st.booleans(),
    p=st.sampled_from([1, 2]),
    margin=st.sampled_from([1.0, 0.3]),
)
def test_multi_margin_loss_agrees_with_torch(agree, case, reduction, weighted, p, margin):
    x, t, w = case
    x, t = x.reshape(*x.shape[:2], -1)[..., 0], t.reshape(len(t), -1)[:, 0]
    weight = "w.detach()" if weighted else "None"
    code = f"F.multi_margin_loss(x, t, {p}, {margin}, {weight}, reduction={reduction!r})"
    # torch has no second derivative of it
    agree(code, x=x, t=t, w=w, order=1)
    agree(code, x=x[0], t=t[0], w=w, order=1)


@settings(max_examples=min(20, settings.default.max_examples))
@given(case=classified())
def test_losses_pass_gradient_checks(case):
    x, t, w = case
    rows, labels = x.reshape(*x.shape[:2], -1)[..., 0], tg.tensor(t.reshape(len(t), -1)[:, 0])
    for loss in (
        lambda x: F.cross_entropy(x, labels, tg.tensor(w), label_smoothing=0.2, reduction="none"),
        lambda x: F.multi_margin_loss(x, labels, p=2),
        lambda x: F.multiclass_svm_loss(x, labels),
    ):
        gradcheck(loss, (rows,))
        gradgradcheck(loss, (rows,))


@given(case=classified())
def test_the_svm_loss_is_the_margin_loss_times_the_classes(case):
    x, t, _ = case
    rows, labels = tg.tensor(x.reshape(*x.shape[:2], -1)[..., 0]), tg.tensor(t.reshape(len(t), -1))
    classes = rows.shape[1]
    svm = F.multiclass_svm_loss(rows, labels[:, 0], delta=0.7)
    torchs = F.multi_margin_loss(rows, labels[:, 0], margin=0.7)
    assert svm.item() == pytest.approx(classes * torchs.item())


def test_the_svm_loss_of_the_textbook():
    # CS231n notes: scores [13, -7, 11], the first right, delta 10
    x = tg.tensor([[13.0, -7.0, 11.0]], requires_grad=True)
    loss = F.multiclass_svm_loss(x, tg.tensor([0]), delta=10.0)
    loss.backward()
    assert loss.item() == 8.0
    assert x.grad.tolist() == [[-1.0, 0.0, 1.0]]


def test_at_the_margin_there_is_no_gradient():
    x = tg.tensor([[1.0, 0.0]], requires_grad=True)
    F.multiclass_svm_loss(x, tg.tensor([0])).backward()
    assert x.grad.tolist() == [[0.0, 0.0]]


def test_huge_scores_do_not_overflow():
    x = tg.tensor([[1e4, -1e4], [0.0, 1e4]], requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor([1, 1]), reduction="none")
    assert loss.tolist() == [2e4, 0.0]
    loss.sum().backward()
    assert x.grad.tolist() == [[1.0, -1.0], [0.0, 0.0]]


def test_the_mean_of_nothing_is_nan():
    assert np.isnan(F.cross_entropy(tg.zeros(0, 3), tg.zeros(0).long()).item())
    assert np.isnan(F.cross_entropy(tg.zeros(2, 3), tg.tensor([-100, -100])).item())


def test_labels_changed_after_the_call_do_not_change_the_gradient():
    x = tg.zeros(1, 2, requires_grad=True)
    labels = tg.tensor([0])
    loss = F.nll_loss(x, labels)
    labels += 1
    loss.backward()
    assert x.grad.tolist() == [[-1.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda x: F.cross_entropy(x, tg.tensor([0, 3])),
            IndexError,
            r"target\[1\] is 3 but input \(2, 3\) has classes 0 to 2",
        ),
        (
            lambda x: F.cross_entropy(x.reshape(1, 3, 2), tg.tensor([[0, -1]])),
            IndexError,
            r"target\[0, 1\] is -1",
        ),
        (lambda x: F.cross_entropy(x, tg.tensor([0])), ValueError, r"\(1,\) but input \(2, 3\)"),
        (lambda x: F.cross_entropy(x, x[:1]), ValueError, "target of probabilities has shape"),
        (lambda x: F.cross_entropy(x, tg.tensor([True, False])), TypeError, "must be integers"),
        (lambda x: F.cross_entropy(x.long(), tg.tensor([0, 1])), TypeError, "expected floats"),
        (lambda x: F.cross_entropy(x[0, 0], tg.tensor(0)), ValueError, r"\(K,\), got \(\)"),
        (lambda x: F.cross_entropy(x, tg.tensor([0, 1]), x[0, :2]), ValueError, "has 3 classes"),
        (
            lambda x: F.cross_entropy(x, tg.tensor([0, 1]), tg.ones(3, requires_grad=True)),
            ValueError,
            "weight must not require a gradient",
        ),
        (
            lambda x: F.cross_entropy(x, tg.tensor([0, 1]), reduction="avg"),
            ValueError,
            "reduction must be 'mean', 'sum' or 'none', got 'avg'",
        ),
        (
            lambda x: F.cross_entropy(x, tg.tensor([0, 1]), label_smoothing=2),
            ValueError,
            r"label_smoothing must be in \[0, 1\], got 2",
        ),
        (lambda x: F.multi_margin_loss(x, tg.tensor([0, 1]), p=3), ValueError, "p must be 1 or 2"),
        (lambda x: F.multiclass_svm_loss(x, tg.tensor([0, 5])), IndexError, r"target\[1\] is 5"),
        (lambda x: F.multiclass_svm_loss(x[0], tg.tensor(0)), ValueError, r"shape \(N, K\)"),
    ],
)
def test_losses_refuse_what_does_not_fit(call, error, match):
    check_refused(lambda: call(tg.zeros(2, 3)), error, match)
