"""Cross-entropy: values by the formula, options as in PyTorch, labels that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import check_refused

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import arrays


def by_the_formula(x, labels, weight, ignore, reduction, smoothing):
    """Row by row, with Python's floats."""
    losses, weights = [], []
    for row, label in zip(x, labels, strict=True):
        top = max(row)
        log_total = top + np.log(sum(np.exp(v - top) for v in row))
        if label == ignore:
            losses.append(0.0)
            weights.append(0.0)
            continue
        w = np.ones(len(row)) if weight is None else weight
        hard = w[label] * (log_total - row[label])
        soft = sum(w[k] * (log_total - row[k]) for k in range(len(row))) / len(row)
        losses.append((1 - smoothing) * hard + smoothing * soft)
        weights.append(w[label])
    if reduction == "none":
        return losses
    return sum(losses) / (sum(weights) if reduction == "mean" else 1)


OPTIONS = st.fixed_dictionaries(
    {
        "weight": st.sampled_from([None, [0.5, 2.0, 1.0]]),
        "reduction": st.sampled_from(["mean", "sum", "none"]),
        "label_smoothing": st.sampled_from([0.0, 0.1, 1.0]),
    }
)


@given(x=arrays((4, 3)), labels=st.permutations([0, 1, 2, -100]), options=OPTIONS)
def test_value_is_the_formulas(x, labels, options):
    weight = options["weight"]
    want = by_the_formula(x, labels, weight, -100, options["reduction"], options["label_smoothing"])
    given = {**options, "weight": weight and tg.tensor(weight, dtype="float64")}
    got = F.cross_entropy(tg.tensor(x), tg.tensor(labels), **given)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


def test_local_gradient_is_softmax_minus_one_hot():
    x = tg.tensor(np.array([[1.0, 2.0, 0.5]]), requires_grad=True)
    F.cross_entropy(x, tg.tensor([2])).backward()
    p = np.exp([1.0, 2.0, 0.5]) / np.exp([1.0, 2.0, 0.5]).sum()
    np.testing.assert_allclose(x.grad.numpy()[0], p - [0, 0, 1], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_scores_do_not_overflow(dtype):
    x = tg.tensor([[1e4, 0.0], [-1e4, 0.0]], dtype=dtype, requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor([1, 0]))
    assert loss.dtype == dtype
    assert loss.item() == 1e4
    loss.backward()
    assert x.grad.tolist() == [[0.5, -0.5], [-0.5, 0.5]]


def test_nothing_to_average_is_nan():
    assert np.isnan(F.cross_entropy(tg.zeros(0, 3), tg.zeros(0, dtype="int64")).item())
    assert np.isnan(F.cross_entropy(tg.zeros(2, 3), tg.tensor([-100, -100])).item())
    assert F.cross_entropy(tg.zeros(0, 3), tg.zeros(0, dtype="int64"), reduction="sum").item() == 0


def test_ignored_rows_have_no_gradient():
    x = tg.tensor([[1.0, 2.0], [3.0, 1.0]], requires_grad=True)
    F.cross_entropy(x, tg.tensor([7, 0]), ignore_index=7).backward()
    assert x.grad.tolist()[0] == [0, 0]
    assert x.grad.tolist()[1] != [0, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 5])),
            IndexError,
            r"cross_entropy: target\[1\] is 5 but input \(2, 3\) has classes 0 to 2",
        ),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([-1, 0])),
            IndexError,
            r"target\[0\] is -1 but",
        ),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 1, 2])),
            ValueError,
            r"target has shape \(3,\) but input \(2, 3\) expects \(2,\)",
        ),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 1]), reduction="avg"),
            ValueError,
            r"got 'avg'",
        ),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 1]), weight=tg.ones(2)),
            ValueError,
            r"weight has shape \(2,\) but input \(2, 3\) has 3 classes",
        ),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 1]), label_smoothing=1.5),
            ValueError,
            r"label_smoothing must be in \[0, 1\], got 1.5",
        ),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3).long(), tg.tensor([0, 1])),
            TypeError,
            r"floats, got int64",
        ),
    ],
)
def test_mistakes_are_refused(call, error, message):
    check_refused(call, error, message)


@pytest.mark.torch
@given(x=arrays((4, 3)), labels=st.permutations([0, 1, 2, -100]), options=OPTIONS)
def test_cross_entropy_is_pytorchs(x, labels, options):
    torch = pytest.importorskip("torch")
    results = []
    for lib, f in ((tg, F), (torch, torch.nn.functional)):
        given = dict(options)
        if given["weight"] is not None:
            given["weight"] = lib.tensor(given["weight"], dtype=lib.float64)
        t = lib.tensor(x, requires_grad=True)
        loss = f.cross_entropy(t, lib.tensor(labels), **given)
        loss.sum().backward()
        results.append((loss.detach().numpy(), t.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
