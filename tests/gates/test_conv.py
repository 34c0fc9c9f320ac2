"""Convolution gates: values by the formula, gradients by differences, to second order."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.gates.conv import Conv2d, Conv2dInputGrad, Conv2dWeightGrad
from tinygrad_cv.testing import arrays, conv2d_settings, gradcheck, gradgradcheck
from tinygrad_cv.testing.strategies import Conv2dCase

# What conv2d may get wrong although most settings pass: a kernel beyond the image, a rest that no
# window reaches, unequal rows and columns, one image of none.
UNSEEN_TAIL = Conv2dCase(
    np.arange(25.0).reshape(1, 1, 5, 5) / 10,
    np.arange(9.0).reshape(1, 1, 3, 3) / 10 - 0.4,
    {"stride": (3, 3), "padding": (0, 0), "dilation": (1, 1), "groups": 1},
)
SMALL = conv2d_settings(max_output=2, max_channels=2)


def by_the_formula(x, w, b, stride, padding, dilation, groups):
    """y[n, o, p, q] = b[o] + sum over c, i, j of x[n, c, p s + i d - P, q s + j d - P] w[o, c, i, j]."""
    n_images, _, h, width = x.shape
    o_all, c_group, kh, kw = w.shape
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n_images, o_all, oh, ow))
    for n, o, p, q in np.ndindex(y.shape):
        first = o // (o_all // groups) * c_group
        for c, i, j in np.ndindex(c_group, kh, kw):
            row = p * stride[0] + i * dilation[0] - padding[0]
            column = q * stride[1] + j * dilation[1] - padding[1]
            if 0 <= row < h and 0 <= column < width:
                y[n, o, p, q] += x[n, first + c, row, column] * w[o, c, i, j]
        y[n, o, p, q] += 0 if b is None else b[o]
    return y


@given(case=SMALL, data=st.data())
@example(case=UNSEEN_TAIL, data=None)
def test_conv2d_value_is_the_formulas(case, data):
    b = None if data is None else data.draw(st.none() | arrays(len(case.weight)))
    want = by_the_formula(case.input, case.weight, b, **case.settings)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-4)):
        x, w, bias = (
            None if a is None else tg.tensor(a, dtype) for a in (case.input, case.weight, b)
        )
        y = F.conv2d(x, w, bias, **case.settings)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), want, rtol=tolerance, atol=tolerance * 100)


@given(case=SMALL)
@example(case=UNSEEN_TAIL)
def test_conv2d_gradients_match_central_differences(case):
    conv = partial(F.conv2d, **case.settings)
    assert not gradcheck(conv, (case.input, case.weight)).kinks
    assert not gradgradcheck(conv, (case.input, case.weight)).kinks


@given(case=SMALL)
def test_conv2d_with_bias(case):
    bias = np.linspace(-1, 1, len(case.weight))
    conv = partial(F.conv2d, **case.settings)
    assert gradcheck(conv, (case.input, case.weight, bias))
    assert gradgradcheck(conv, (case.input, case.weight, bias))


@given(case=SMALL, seed=st.integers(0, 99))
def test_the_three_gates_are_each_others_transposes(case, seed):
    """<conv(x, w), g> = <x, input_grad(g, w)> = <w, weight_grad(x, g)>, and so on with each."""
    x, w = case.input, case.weight
    settings = Conv2dSettings(**case.settings)
    y = Conv2d(settings)(x, w)
    g = np.random.default_rng(seed).uniform(-1, 1, y.shape)
    want = (y * g).sum()
    assert (x * Conv2dInputGrad(settings, x.shape[2:])(g, w)).sum() == pytest.approx(want, abs=1e-9)
    assert (w * Conv2dWeightGrad(settings, w.shape[2:])(x, g)).sum() == pytest.approx(
        want, abs=1e-9
    )


@given(case=SMALL)
def test_both_rooms_agree(case):
    x, w = (tg.tensor(a, requires_grad=True) for a in (case.input, case.weight))
    results = []
    for room in ("cpp", "reference"):
        with tg.use_backend(room):
            y = F.conv2d(x, w, **case.settings)
            up = tg.tensor(np.cos(np.arange(y.numel())).reshape(y.shape))
            results.append((y, *tg.grad(y, (x, w), up)))
    for ours, reference in zip(*results, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), reference.detach().numpy(), atol=1e-9)


@pytest.mark.parametrize("view", ["transposed", "backwards", "every other", "one image for all"])
def test_conv2d_reads_any_layout(view):
    dense = np.arange(2 * 2 * 6 * 6.0).reshape(2, 2, 6, 6) / 50
    layout = {
        "transposed": lambda x: x.permute(0, 1, 3, 2),
        "backwards": lambda x: x[:, ::-1, ::-1, ::-1],
        "every other": lambda x: x[..., ::2, ::2],
        "one image for all": lambda x: x[:1].expand(3, -1, -1, -1),
    }[view]
    w = np.linspace(-1, 1, 2 * 2 * 3 * 2).reshape(2, 2, 3, 2)
    seen = layout(tg.tensor(dense)).numpy()
    want = by_the_formula(np.ascontiguousarray(seen), w, None, (1, 2), (1, 1), (1, 1), 1)
    y = F.conv2d(layout(tg.tensor(dense)), tg.tensor(w), stride=(1, 2), padding=1)
    np.testing.assert_allclose(y.numpy(), want, atol=1e-12)
    conv = partial(F.conv2d, stride=(1, 2), padding=1)
    turned = np.linspace(-1, 1, 24).reshape(2, 2, 3, 2)
    assert gradcheck(lambda x, w: conv(layout(x), w[:, ::-1]), (dense[:, :, :4, :4], turned))


# Edges


def test_pixels_that_no_window_reaches_have_gradient_zero():
    x = tg.tensor(UNSEEN_TAIL.input, requires_grad=True)
    F.conv2d(x, tg.tensor(UNSEEN_TAIL.weight), stride=3).sum().backward()
    want = np.zeros((5, 5))
    want[:3, :3] = UNSEEN_TAIL.weight[0, 0]
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], want)


def test_an_empty_batch_has_zeros_as_weight_gradient():
    x, w = tg.zeros(0, 2, 5, 5), tg.ones(3, 2, 3, 3, requires_grad=True)
    y = F.conv2d(x, w)
    assert y.shape == (0, 3, 3, 3)
    y.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.zeros((3, 2, 3, 3)))


def test_an_image_without_gradient_is_not_asked_for_one(monkeypatch):
    asked = []
    forward = Conv2dInputGrad.forward
    monkeypatch.setattr(
        Conv2dInputGrad, "forward", lambda self, *a: asked.append(1) or forward(self, *a)
    )
    x, w = tg.ones(1, 1, 4, 4), tg.ones(1, 1, 3, 3, requires_grad=True)
    F.conv2d(x, w).sum().backward()
    assert asked == []
    F.conv2d(x.requires_grad_(), w).sum().backward()
    assert asked == [1]


def test_a_single_image_without_batch():
    x, w = tg.rand(2, 5, 5), tg.rand(3, 2, 3, 3)
    np.testing.assert_array_equal(F.conv2d(x, w).numpy(), F.conv2d(x[None], w)[0].numpy())


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 1), (2, 2), (3, 3)])
def test_padding_same_keeps_the_size(kernel, dilation):
    x, w = np.ones((1, 1, 9, 8)), np.ones((1, 1, kernel, kernel))
    y = F.conv2d(tg.tensor(x), tg.tensor(w), padding="same", dilation=dilation)
    assert y.shape == (1, 1, 9, 8)
    side = dilation * (kernel - 1) // 2
    want = by_the_formula(x, w, None, (1, 1), (side, side), (dilation, dilation), 1)
    np.testing.assert_allclose(y.numpy(), want)


def test_padding_valid_is_none():
    x, w = tg.rand(1, 1, 5, 5), tg.rand(1, 1, 3, 3)
    np.testing.assert_array_equal(
        F.conv2d(x, w, padding="valid").numpy(), F.conv2d(x, w, padding=0).numpy()
    )


@pytest.mark.torch
@given(case=SMALL)
def test_conv2d_is_pytorchs(case):
    torch = pytest.importorskip("torch")
    ours = [tg.tensor(a, requires_grad=True) for a in case[:2]]
    theirs = [torch.tensor(a, requires_grad=True) for a in case[:2]]
    y, want = (
        f.conv2d(*args, **case.settings) for f, args in ((F, ours), (torch.nn.functional, theirs))
    )
    np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), atol=1e-9)
    up = np.sin(np.arange(y.numel())).reshape(y.shape)
    got = tg.grad(y, ours, tg.tensor(up))
    want = torch.autograd.grad(want, theirs, torch.tensor(up))
    for a, b in itertools.zip_longest(got, want):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-9)
