"""Images in other sizes, sampled anywhere, pixels that become channels."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

X = np.random.default_rng(10).standard_normal((2, 2, 4, 5))
ALIGNED = ["linear", "bilinear", "bicubic"]


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
@settings(max_examples=min(25, settings.default.max_examples))
@given(
    size=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    factor=st.sampled_from([0.5, 1.0, 1.7, 2.0, (2.3, 0.6)]),
    align=st.sampled_from([None, True, False]),
    recompute=st.sampled_from([None, True]),
)
def test_interpolation_agrees_with_torch(agree, mode, size, factor, align, recompute):
    align = align if mode in ALIGNED else None
    agree(f"F.interpolate(x, {size}, mode={mode!r}, align_corners={align})", x=X)
    agree(
        f"F.interpolate(x, scale_factor={factor}, mode={mode!r}, align_corners={align}, "
        f"recompute_scale_factor={recompute})",
        x=X,
    )


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["nearest", "linear", "area"])
@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_interpolation_of_rows_agrees_with_torch(agree, mode, size):
    agree(f"F.interpolate(x, {size}, mode={mode!r})", x=X[0])


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@settings(max_examples=min(25, settings.default.max_examples))
@given(
    size=st.tuples(st.integers(1, 11), st.integers(2, 11)),  # torch leaves one column as it is
    factor=st.sampled_from([0.5, 1.7, (2.3, 0.6)]),
    align=st.booleans(),
)
def test_antialiased_interpolation_agrees_with_torch(agree, mode, size, factor, align):
    settings = f"mode={mode!r}, align_corners={align}, antialias=True"
    agree(f"F.interpolate(x, {size}, {settings})", x=X)
    agree(f"F.interpolate(x, scale_factor={factor}, {settings})", x=X)


def test_every_pixel_counts_in_an_antialiased_image():
    x = tg.tensor(X).requires_grad_()
    F.interpolate(x, (1, 2), mode="bilinear", antialias=True).sum().backward()
    assert (x.grad > 0).all().item()
    column = tg.tensor([[[[0.0], [1.0]]]])
    doubled = F.interpolate(column, (4, 1), mode="bilinear", antialias=True)
    assert doubled.tolist() == [[[[0], [0.25], [0.75], [1]]]]


@pytest.mark.torch
def test_shuffling_pixels_agrees_with_torch(agree):
    x = np.arange(2.0 * 8 * 6 * 4).reshape(2, 8, 6, 4)
    agree("F.pixel_shuffle(x, 2)", x=x)
    agree("F.pixel_shuffle(x[0], 2)", x=x)
    agree("F.pixel_unshuffle(x, 2)", x=x)


def test_shuffling_pixels_can_be_undone():
    x = tg.tensor(X.repeat(2, 1).repeat(2, 2)[..., :4])
    assert F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2).tolist() == x.tolist()


@settings(max_examples=min(10, settings.default.max_examples))
@given(size=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_interpolation_passes_gradient_checks(size):
    modes = ["nearest", "bilinear", "bicubic", "area"]
    for mode, antialias in [*((mode, False) for mode in modes), ("bicubic", True)]:
        resize = partial(F.interpolate, size=size, mode=mode, antialias=antialias)
        gradcheck(resize, (X[:1],))
        gradgradcheck(resize, (X[:1],))


def test_a_line_stays_a_line():
    x = tg.tensor([[[0.0, 1.0, 2.0]]])
    assert F.interpolate(x, 5, mode="linear", align_corners=True).tolist() == [
        [[0, 0.5, 1, 1.5, 2]]
    ]
    assert F.interpolate(x, 6, mode="nearest").tolist() == [[[0, 0, 1, 1, 2, 2]]]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: F.interpolate(x), "give either size or scale_factor"),
        (lambda x: F.interpolate(x, 3, 2.0), "either size or scale_factor"),
        (lambda x: F.interpolate(x, 3, mode="linear"), "must be one of .* got 'linear'"),
        (lambda x: F.interpolate(x, 3, align_corners=True), "takes no align_corners"),
        (lambda x: F.interpolate(x, 3, antialias=True), "antialias is for .*, not 'nearest'"),
        (lambda x: F.interpolate(x, (3, 3, 3)), r"one number or 2, got \(3, 3, 3\)"),
        (lambda x: F.interpolate(x, 0), r"of \(4, 4\) cannot become \(0, 0\)"),
        (lambda x: F.interpolate(x, scale_factor=0.1), r"cannot become \(0, 0\)"),
        (lambda x: F.interpolate(x[0, 0], 3), r"or \(N, C, L\), got \(4, 4\)"),
        (lambda x: F.pixel_shuffle(x, 2), r"must have shape \(…, C \* 2 \* 2, H, W\)"),
        (lambda x: F.pixel_unshuffle(x, 3), r"must have shape \(…, C, H \* 3, W \* 3\)"),
    ],
)
def test_interpolation_refuses_what_does_not_fit(call, match):
    with pytest.raises(ValueError, match=match):
        call(tg.zeros(1, 2, 4, 4))
