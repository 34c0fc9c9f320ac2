"""Limits on gradients: the norm of all of them together, and each element."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.nn import utils


def params_with(*gradients):
    out = []
    for g in gradients:
        param = tg.zeros(np.shape(g), dtype=tg.float64, requires_grad=True)
        param.grad = tg.tensor(np.array(g, dtype=np.float64))
        out.append(param)
    return out


def flat(params):
    return np.concatenate([p.grad.numpy().ravel() for p in params])


@given(
    seed=st.integers(0, 999),
    p=st.sampled_from([1.0, 2.0, 3.5, math.inf]),
    limit=st.floats(0.01, 50.0),
)
def test_the_norm_of_all_gradients_is_limited_and_their_direction_kept(seed, p, limit):
    rng = np.random.default_rng(seed)
    params = params_with(rng.standard_normal((3, 4)), rng.standard_normal(5))
    before = flat(params)
    norm = np.linalg.norm(before, p)
    returned = utils.clip_grad_norm_(iter(params), limit, p)
    assert returned.item() == pytest.approx(norm, rel=1e-12)
    np.testing.assert_allclose(flat(params), before * min(1.0, limit / norm), rtol=2e-6 / norm)
    if norm <= limit:
        np.testing.assert_array_equal(flat(params), before)


def test_parameters_without_gradient_are_passed_over():
    (a,) = params_with([3.0, 4.0])
    b = tg.zeros(2, requires_grad=True)
    assert utils.clip_grad_norm_([a, b], 10.0).item() == 5.0
    assert b.grad is None
    assert utils.clip_grad_norm_([b], 1.0).item() == 0.0
    assert utils.clip_grad_norm_(a, 10.0).item() == 5.0


def test_a_norm_that_is_no_number_shows():
    params = params_with([1.0, math.nan])
    with pytest.raises(RuntimeError, match="the gradients' norm is nan"):
        utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[0].grad.tolist()[0] == 1.0
    assert math.isnan(utils.clip_grad_norm_(params, 1.0).item())
    assert np.isnan(flat(params)).all()


def test_values_are_cut_off():
    params = params_with([-3.0, 0.5], [2.0])
    utils.clip_grad_value_(params, 1.0)
    assert flat(params).tolist() == [-1.0, 0.5, 1.0]


def test_limits_below_zero():
    with pytest.raises(ValueError, match=r"max_norm must be at least 0, got -1"):
        utils.clip_grad_norm_(params_with([1.0]), -1.0)
    with pytest.raises(ValueError, match=r"clip_value must be at least 0, got -1"):
        utils.clip_grad_value_(params_with([1.0]), -1.0)


@pytest.mark.torch
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("limit", [0.1, 100.0])
def test_pytorch_clips_alike(p, limit):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = params_with(rng.standard_normal((3, 4)), rng.standard_normal(5))
    theirs = [torch.zeros(param.shape, requires_grad=True) for param in params]
    for mine, other in zip(params, theirs, strict=True):
        other.data = other.data.double()
        other.grad = torch.tensor(mine.grad.numpy().copy())
    got = utils.clip_grad_norm_(params, limit, p).item()
    assert got == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, limit, p).item(), rel=1e-12)
    want = np.concatenate([t.grad.numpy().ravel() for t in theirs])
    np.testing.assert_allclose(flat(params), want, rtol=1e-12)
