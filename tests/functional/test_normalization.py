"""Normalisation: against PyTorch, its own definition, and both orders of differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

few = settings(max_examples=min(10, settings.default.max_examples))  # of each of many calls
seeds = st.integers(0, 2**32 - 1)


def draws(seed, *shape):
    rng = np.random.default_rng(seed)
    channels = shape[1]
    return {
        "x": rng.standard_normal(shape) * 2 + 1,
        "w": rng.standard_normal(channels),
        "b": rng.standard_normal(channels),
        "v": rng.random(channels) + 0.5,
        "u": rng.standard_normal(shape[-2:]),
        "c": rng.standard_normal(shape[-2:]),
    }


@pytest.mark.torch
@pytest.mark.parametrize(
    "call",
    [
        "F.batch_norm(x, None, None, w, b, True)",
        "F.batch_norm(x, None, None, training=True)",
        "F.batch_norm(x, None, None, w, training=True, eps=0.1)",
        "F.batch_norm(x[:, :, 0, 0], None, None, w, b, True)",
        "F.batch_norm(x, b.detach(), v.detach(), w, b)",
        "F.batch_norm(x, b.detach(), v.detach())",
        "m = b.detach() * 1\ns = v.detach() * 1\n"
        "y = F.batch_norm(x, m, s, w, b, True, 0.3)\nout = (y, m, s)",
        "F.instance_norm(x, weight=w, bias=b)",
        "F.instance_norm(x[:, :, 0])",
        "m = b.detach() * 1\ns = v.detach() * 1\n"
        "y = F.instance_norm(x, m, s, w, b, True, 0.3)\nout = (y, m, s)",
        "F.instance_norm(x, b.detach(), v.detach(), w, b, use_input_stats=False)",
        "F.layer_norm(x, (3, 2), u, c)",
        "F.layer_norm(x, (2,))",
        "F.layer_norm(x, (3, 2), u, eps=0.2)",
        "F.rms_norm(x, (3, 2), u)",
        "F.rms_norm(x, (2,), eps=0.1)",
        "F.group_norm(x, 2, w, b)",
        "F.group_norm(x, 1)",
        "F.group_norm(x[:, :, 0, 0], 2, w)",
        "F.local_response_norm(x, 3, alpha=0.5)",
        "F.local_response_norm(x, 2, alpha=0.5, beta=0.5, k=2)",
        "F.local_response_norm(x[:, :, 0], 7)",
    ],
)
@few
@given(seed=seeds)
def test_normalisation_agrees_with_torch(agree, call, seed):
    agree(call, **draws(seed, 3, 4, 3, 2))


@few
@given(seed=seeds)
def test_normalisation_passes_gradient_checks(seed):
    case = draws(seed, 2, 2, 3, 2)
    x, w, b = case["x"], case["w"], case["b"]
    for call, inputs in (
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (x, w, b)),
        (lambda x, w, b: F.group_norm(x, 1, w, b), (x, w, b)),
        (lambda x: F.instance_norm(x), (x,)),
        (lambda x, u, c: F.layer_norm(x, (3, 2), u, c), (x, case["u"], case["c"])),
        (lambda x, u: F.rms_norm(x, (3, 2), u), (x, case["u"])),
        (lambda x: F.local_response_norm(x, 2, 0.5), (x,)),
    ):
        gradcheck(call, inputs)
        gradgradcheck(call, inputs)


@given(seed=seeds)
def test_batches_come_out_with_mean_0_and_variance_1(seed):
    x = tg.tensor(draws(seed, 4, 3, 2, 2)["x"])
    y = F.batch_norm(x, None, None, training=True, eps=0.0).numpy()
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1, rtol=1e-12)


def test_running_estimates_move_towards_the_batch_and_are_unbiased():
    mean, var = tg.zeros(1), tg.ones(1)
    x = tg.tensor([[1.0], [2.0], [6.0]])
    F.batch_norm(x, mean, var, training=True, momentum=0.5)
    assert mean.item() == pytest.approx(1.5)
    assert var.item() == pytest.approx(0.5 + 0.5 * 7.0)
    before = mean.item(), var.item()
    F.batch_norm(x, mean, var)
    assert (mean.item(), var.item()) == before


def test_constant_and_empty_batches_have_finite_gradients():
    x = tg.ones(4, 2, requires_grad=True)
    F.batch_norm(x, None, None, training=True).backward(tg.ones(4, 2))
    assert x.grad.tolist() == [[0.0, 0.0]] * 4
    mean = tg.zeros(2)
    y = F.batch_norm(tg.zeros(0, 2), mean, tg.ones(2), training=True)
    assert y.shape == (0, 2)
    assert mean.tolist() == [0.0, 0.0]


def test_float32_stays_near_float64_for_a_large_mean():
    x = np.random.default_rng(9).standard_normal((64, 3, 8, 8)) + 1000
    got = F.batch_norm(tg.tensor(x).float(), None, None, training=True).numpy()
    want = F.batch_norm(tg.tensor(x.astype("float32")).double(), None, None, training=True)
    np.testing.assert_allclose(got, want.numpy(), atol=2e-3)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda x: F.batch_norm(x[:1, :, :1], None, None, training=True),
            ValueError,
            r"more than 1 value per channel.*\(1, 4, 1\).*drop_last=True",
        ),
        (lambda x: F.batch_norm(x, None, None), ValueError, "running_mean and running_var are"),
        (lambda x: F.batch_norm(x, tg.zeros(3), tg.ones(4)), ValueError, r"\(3,\) but input"),
        (lambda x: F.batch_norm(x[0, 0], None, None), ValueError, r"shape \(N, C, …\), got \(3,\)"),
        (lambda x: F.batch_norm(x.long(), None, None), TypeError, "expected floats, got int64"),
        (lambda x: F.instance_norm(x[:, :, 0]), ValueError, r"shape \(N, C, L, …\), got \(2, 4\)"),
        (lambda x: F.instance_norm(x[:, :, :1]), ValueError, "1 value per channel of an image"),
        (lambda x: F.layer_norm(x, (4,)), ValueError, r"\(2, 4, 3\) does not end in .* \(4,\)"),
        (lambda x: F.layer_norm(x, 3, tg.ones(4)), ValueError, r"weight has shape \(4,\)"),
        (lambda x: F.rms_norm(x, (2, 4)), ValueError, "rms_norm: input .* does not end in"),
        (lambda x: F.group_norm(x, 3), ValueError, "4 channels are not a multiple of num_groups=3"),
        (lambda x: F.group_norm(x, 2, tg.ones(3)), ValueError, "group_norm: weight has shape"),
        (lambda x: F.local_response_norm(x, 0), ValueError, "size must be at least 1, got 0"),
        (lambda x: F.local_response_norm(x[0], 2), ValueError, r"local_response_norm: input must"),
    ],
)
def test_normalisation_refuses_what_does_not_fit(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.zeros(2, 4, 3))
