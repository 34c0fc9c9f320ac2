"""Pools of rows, norms, indices and their undoing, pools of a given size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import check_refused

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck

seeds = st.integers(0, 2**32 - 1)


def image(seed, *shape):
    """Values no two of which are equal."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.arange(np.prod(shape, dtype=int))).reshape(shape) * 0.1 - 2


@st.composite
def options(draw, dims, dilated):
    """kernel_size, stride, padding, (dilation,) ceil_mode."""
    sides = st.tuples(*[st.integers(1, 3)] * dims)
    kernel, stride = draw(sides), draw(sides)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.tuples(*[st.integers(1, 2)] * dims))
    middle = [dilation] if dilated else []
    return [kernel, stride, padding, *middle, draw(st.booleans())]


@pytest.mark.torch
@pytest.mark.parametrize("dims", [1, 2])
@settings(max_examples=min(40, settings.default.max_examples))
@given(data=st.data(), seed=seeds)
def test_pools_agree_with_torch(agree, dims, data, seed):
    x = image(seed, 2, 2, *[6, 7][-dims:])
    most = ", ".join(map(str, data.draw(options(dims, dilated=True))))
    agree(f"F.max_pool{dims}d(x, {most}, return_indices=True)", x=x)
    mean = ", ".join(map(str, data.draw(options(dims, dilated=False))))
    include = data.draw(st.booleans())
    agree(f"F.avg_pool{dims}d(x[0], {mean}, {include})", x=x)
    kernel, stride, _, ceil = data.draw(options(dims, dilated=False))
    if dims == 1:
        kernel, stride = kernel[0], stride[0]
    agree(f"F.lp_pool{dims}d(x.abs() + 0.1, 3.0, {kernel}, {stride}, {ceil})", x=x)


@pytest.mark.torch
@settings(max_examples=min(25, settings.default.max_examples))
@given(seed=seeds, size=st.tuples(st.integers(1, 7), st.integers(1, 8)))
def test_adaptive_pools_agree_with_torch(agree, seed, size):
    x = image(seed, 2, 2, 6, 7)
    agree(f"F.adaptive_avg_pool2d(x, {size})", x=x)
    agree(f"F.adaptive_avg_pool2d(x[0], ({size[0]}, None))", x=x)
    agree(f"F.adaptive_avg_pool1d(x[0], {size[0]})", x=x)
    agree(f"F.adaptive_max_pool2d(x, {size}, return_indices=True)", x=x)
    agree(f"F.adaptive_max_pool2d(x[0], {size[1]})", x=x)
    agree(f"F.adaptive_max_pool1d(x[0], {size[1]}, return_indices=True)", x=x)


@pytest.mark.torch
@settings(max_examples=min(25, settings.default.max_examples))
@given(seed=seeds, kernel=st.integers(1, 3), padding=st.integers(0, 1))
def test_unpooling_agrees_with_torch(agree, seed, kernel, padding):
    padding = min(padding, kernel // 2)
    agree(
        f"y, i = F.max_pool2d(x, {kernel}, padding={padding}, return_indices=True)\n"
        f"out = F.max_unpool2d(y, i, {kernel}, padding={padding}, output_size=x.shape)",
        x=image(seed, 1, 2, 6, 6),
    )


def test_unpooling_puts_values_back():
    x = tg.tensor([[[[1.0, 2.0], [4.0, 3.0]]]])
    y, i = F.max_pool2d(x, 2, return_indices=True)
    assert i.tolist() == [[[[2]]]]
    assert F.max_unpool2d(y, i, 2).tolist() == [[[[0.0, 0.0], [4.0, 0.0]]]]
    assert F.max_unpool2d(y[0], i[0], 2).shape == (1, 2, 2)


@settings(max_examples=min(10, settings.default.max_examples))
@given(seed=seeds)
def test_pools_pass_gradient_checks(seed):
    x = image(seed, 1, 2, 4, 5)
    for call in (
        lambda x: F.max_pool1d(x[0], 2),
        lambda x: F.avg_pool1d(x[0], 3, 2, 1, True, False),
        lambda x: F.lp_pool2d(x, 2, 2, 1),
        lambda x: F.lp_pool2d(x * x + 0.1, 1.5, (2, 3), (1, 2), True),
        lambda x: F.lp_pool2d(x, 1, 2),
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: F.adaptive_max_pool2d(x, (3, 2)),
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=(4, 5)),
    ):
        gradcheck(call, (x,))
        gradgradcheck(call, (x,))


def test_norm_pooling_is_the_norm_and_has_no_gradient_at_zero():
    x = tg.tensor([[[3.0, -4.0, 0.0, 0.0]]], requires_grad=True)
    y = F.lp_pool1d(x, 2, 2)
    assert y.tolist() == [[[5.0, 0.0]]]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[[0.6, -0.8, 0.0, 0.0]]], rtol=1e-6)


def test_the_first_of_equals_is_named():
    x = tg.zeros(1, 1, 2, 4)
    assert F.max_pool2d(x, 2, return_indices=True)[1].tolist() == [[[[0, 2]]]]
    assert F.adaptive_max_pool2d(x, (1, 3), return_indices=True)[1].tolist() == [[[[0, 1, 2]]]]


def test_pools_of_one_size_take_the_kernel_and_agree_with_the_others():
    x = tg.tensor(image(1, 1, 2, 6, 4))
    assert type(F.adaptive_avg_pool2d(x.requires_grad_(), (3, 2)).gate).__name__ == "AvgPool2d"
    y = F.adaptive_avg_pool2d(x, (3, 4))  # columns as they are
    np.testing.assert_allclose(y.detach().numpy(), F.avg_pool2d(x, (2, 1)).detach().numpy())


def test_nan_is_the_largest():
    x = tg.tensor([[[1.0, float("nan"), 5.0]]])
    assert np.isnan(F.adaptive_max_pool1d(x, 1).item())
    assert np.isnan(F.max_pool1d(x, 3).item())


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda x: F.max_pool1d(x[0], 9),
            ValueError,
            r"max_pool1d: the window's 9 values .*\(6 - 9 \+ 2 \* 0\)/9 \+ 1 < 1",
        ),
        (lambda x: F.max_pool1d(x, 2), ValueError, r"\(N, C, L\) or \(C, L\), got \(1, 2, 6, 6\)"),
        (lambda x: F.avg_pool1d(x[0], (2, 2)), TypeError, r"must be an int, got \(2, 2\)"),
        (lambda x: F.lp_pool2d(x, 0, 2), ValueError, "norm_type must not be 0"),
        (lambda x: F.adaptive_avg_pool2d(x, (2, -1)), ValueError, r"2 lengths >= 0, got \(2, -1\)"),
        (lambda x: F.adaptive_avg_pool2d(x, (2,)), ValueError, r"2 lengths >= 0, got \(2,\)"),
        (lambda x: F.adaptive_max_pool2d(x[0, 0], 2), ValueError, r"got \(6, 6\)"),
        (lambda x: F.adaptive_max_pool2d(x[..., :0], 2), ValueError, "no values to choose from"),
        (lambda x: F.max_unpool2d(x, x[:, :1], 2), ValueError, "must both have shape"),
        (lambda x: F.max_unpool2d(x, x, 2), TypeError, "indices must be int64, got float32"),
        (
            lambda x: F.max_unpool2d(x, x.long() + 144, 2),
            IndexError,
            r"index 144 is outside the result's \(12, 12\)",
        ),
        (
            lambda x: F.max_unpool2d(x, x.long(), 2, output_size=(9, 12)),
            ValueError,
            r"output_size \(9, 12\) must be within \(2, 2\) of \(12, 12\)",
        ),
    ],
)
def test_pools_refuse_what_does_not_fit(call, error, match):
    check_refused(lambda: call(tg.zeros(1, 2, 6, 6)), error, match)
