"""Images sampled at any places, and the grids of places."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

X = np.random.default_rng(11).standard_normal((2, 2, 4, 5))
MODES = ["bilinear", "nearest", "bicubic"]
PADDINGS = ["zeros", "border", "reflection"]


def places(seed, spread=1.7):
    """Places inside and outside, none where the values or their slopes jump."""
    grid = np.random.default_rng(seed).uniform(-spread, spread, (2, 3, 2, 2))
    for i, size in ((0, 5), (1, 4)):
        for align in (True, False):
            pixel = (
                (grid[..., i] + 1) * (size - 1) / 2
                if align
                else ((grid[..., i] + 1) * size - 1) / 2
            )
            grid[..., i] += 0.02 * (np.abs(2 * pixel - np.rint(2 * pixel)) < 0.02)
    return grid


@pytest.mark.torch
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", PADDINGS)
@settings(max_examples=min(15, settings.default.max_examples))
@given(seed=st.integers(0, 2**32 - 1), align=st.booleans())
def test_sampling_agrees_with_torch(agree, mode, padding, seed, align):
    # PyTorch differentiates it once
    code = f"F.grid_sample(x, g, {mode!r}, {padding!r}, {align})"
    agree(code, order=1, x=X, g=places(seed))


@pytest.mark.torch
@pytest.mark.parametrize("align", [True, False])
def test_affine_grids_agree_with_torch(agree, align):
    theta = np.random.default_rng(12).standard_normal((2, 2, 3))
    agree(f"F.affine_grid(t, (2, 1, 3, 4), {align})", t=theta)
    agree(f"F.affine_grid(t, (2, 1, 1, 4), {align})", t=theta)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", PADDINGS)
@settings(max_examples=min(5, settings.default.max_examples))
@given(seed=st.integers(0, 2**32 - 1))
def test_sampling_passes_gradient_checks(mode, padding, seed):
    sample = partial(F.grid_sample, mode=mode, padding_mode=padding, align_corners=False)
    inputs = X[:1, :1], places(seed)[:1, :1]
    if mode == "nearest":
        sample, inputs = partial(sample, grid=tg.tensor(inputs[1])), inputs[:1]
    gradcheck(sample, inputs)
    gradgradcheck(sample, inputs)


@pytest.mark.parametrize("align", [True, False])
def test_the_identity_shows_the_image(align):
    theta = tg.tensor([[[1.0, 0, 0], [0, 1, 0]]] * 2).double()
    grid = F.affine_grid(theta, X.shape, align)
    for mode in MODES:
        y = F.grid_sample(tg.tensor(X), grid, mode, align_corners=align)
        np.testing.assert_allclose(y.numpy(), X, rtol=1e-9, atol=1e-12)


def test_outside_is_zero_or_the_edge_or_a_mirror():
    row = tg.tensor([[[[1.0, 2.0, 4.0]]]])
    grid = tg.tensor([[[[2.0, 0.0], [5.0, 0.0]]]])  # pixels 3 and 6 of aligned corners

    def read(padding):
        return F.grid_sample(row, grid, "nearest", padding, True).flatten().tolist()

    assert read("zeros") == [0.0, 0.0]
    assert read("border") == [4.0, 4.0]
    assert read("reflection") == [2.0, 4.0]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x, g: F.grid_sample(x[0], g), ValueError, r"must have shapes \(N, C, H, W\) and"),
        (lambda x, g: F.grid_sample(x, g[:1]), ValueError, r"grid \(1, 3, 3, 2\) must have"),
        (
            lambda x, g: F.grid_sample(x, g.double()),
            TypeError,
            "grid is float64 but input is float32",
        ),
        (lambda x, g: F.grid_sample(x, g, "linear"), ValueError, "mode must be .* got 'linear'"),
        (lambda x, g: F.grid_sample(x, g, padding_mode="wrap"), ValueError, "got 'wrap'"),
        (lambda x, g: F.grid_sample(x[..., :0], g), ValueError, "has no pixels"),
        (lambda x, g: F.affine_grid(g, (2, 1, 3, 3)), ValueError, r"must be \(N, 2, 3\)"),
    ],
)
def test_sampling_refuses_what_does_not_fit(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.zeros(2, 1, 4, 4), tg.zeros(2, 3, 3, 2))
