"""One dimension, transposed convolution, padding that keeps the size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck


@st.composite
def case(draw, dims):
    """Arguments of a convolution of images with `dims` sides, plain or transposed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(st.integers(1, 2))
    sides = st.tuples(*[st.integers(1, 3)] * dims)
    kernel, stride, dilation = draw(sides), draw(sides), draw(sides)
    padding = tuple(draw(st.integers(0, 2)) for _ in range(dims))
    size = tuple(
        d * (k - 1) + 1 + draw(st.integers(0, 3)) for k, d in zip(kernel, dilation, strict=True)
    )
    return {
        "x": rng.standard_normal((2, 2 * groups, *size)),
        "w": rng.standard_normal((2 * groups, 2, *kernel)),
        "b": rng.standard_normal(2 * groups),
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }


@pytest.mark.torch
@pytest.mark.parametrize("dims", [1, 2])
@settings(max_examples=min(25, settings.default.max_examples))
@given(data=st.data())
def test_convolution_agrees_with_torch(agree, dims, data):
    c = data.draw(case(dims))
    arrays = {name: c[name] for name in "xwb"}
    plain = f"dilation={c['dilation']}, groups={c['groups']}"
    for call in (
        f"F.conv{dims}d(x, w, b, {c['stride']}, {c['padding']}, {plain})",
        f"F.conv{dims}d(x[0], w, padding='same', {plain})",
        f"F.conv{dims}d(x, w, b, padding='valid', {plain})",
    ):
        agree(call, **arrays)


@pytest.mark.torch
@pytest.mark.parametrize("dims", [1, 2])
@settings(max_examples=min(40, settings.default.max_examples))
@given(data=st.data())
def test_transposed_convolution_agrees_with_torch(agree, dims, data):
    c = data.draw(case(dims))
    more = tuple(
        data.draw(st.integers(0, max(s, d) - 1))
        for s, d in zip(c["stride"], c["dilation"], strict=True)
    )
    size = [
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, k, s, p, d, m in zip(
            c["x"].shape[2:],
            c["w"].shape[2:],
            c["stride"],
            c["padding"],
            c["dilation"],
            more,
            strict=True,
        )
    ]
    padding = c["padding"] if min(size) > 0 else (0,) * dims
    agree(
        f"F.conv_transpose{dims}d(x, w, b, {c['stride']}, {padding}, {more}, {c['groups']}, "
        f"{c['dilation']})",
        x=c["x"],
        w=c["w"],
        b=np.arange(2.0 * c["groups"]),
    )


@settings(max_examples=min(25, settings.default.max_examples))
@given(c=case(1))
def test_one_dimension_is_a_row_of_two(c):
    x, w, b = (tg.tensor(c[name]) for name in "xwb")
    two = {
        "stride": (1, *c["stride"]),
        "padding": (0, *c["padding"]),
        "dilation": (1, *c["dilation"]),
        "groups": c["groups"],
    }
    one = {name: c[name] for name in two}
    want = F.conv2d(x.unsqueeze(2), w.unsqueeze(2), b, **two).squeeze(2)
    np.testing.assert_array_equal(F.conv1d(x, w, b, **one).numpy(), want.numpy())


@settings(max_examples=min(10, settings.default.max_examples))
@given(c=case(2))
def test_transposed_convolution_passes_gradient_checks(c):
    def call(x, w, b):
        return F.conv_transpose2d(x, w, b, c["stride"], 0, 0, c["groups"], c["dilation"])

    inputs = c["x"][:1, :, :2, :2], c["w"], np.ones(2 * c["groups"])
    gradcheck(call, inputs)
    gradgradcheck(call, inputs)


def test_transposed_convolution_lays_kernels_side_by_side():
    x = tg.tensor([[[1.0, 10.0]]])
    assert F.conv_transpose1d(x, tg.tensor([[[1.0, 2.0]]]), stride=2).tolist() == [[[1, 2, 10, 20]]]
    assert F.conv_transpose1d(x, tg.tensor([[[1.0, 2.0]]])).tolist() == [[[1, 12, 20]]]


def test_padding_that_keeps_the_size_puts_the_odd_zero_at_the_end():
    x = tg.tensor([[1.0, 2.0, 3.0]])
    assert F.conv1d(x, tg.ones(1, 1, 2), padding="same").tolist() == [[3.0, 5.0, 3.0]]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: F.conv1d(x, tg.ones(1, 2, 3)), ValueError, r"3 channels but weight \(1, 2, 3\)"),
        (
            lambda x: F.conv1d(x, tg.ones(1, 3, 9), padding=1),
            ValueError,
            r"conv1d: the kernel's 9 values are more .*\(5 - 9 \+ 2 \* 1\)/1 \+ 1 < 1",
        ),
        (
            lambda x: F.conv1d(x, tg.ones(1, 3, 3), stride=(1, 1)),
            TypeError,
            "stride must be an int, got",
        ),
        (lambda x: F.conv1d(x[0, 0], tg.ones(1, 3, 3)), ValueError, r"\(N, C, L\) or \(C, L\)"),
        (
            lambda x: F.conv_transpose1d(x, tg.ones(2, 3, 3)),
            ValueError,
            r"conv_transpose1d: input has 3 channels but weight \(2, 3, 3\) expects 2",
        ),
        (
            lambda x: F.conv_transpose1d(x, tg.ones(3, 1, 3), output_padding=1),
            ValueError,
            r"output_padding \(1,\) must be less than stride \(1,\) or dilation \(1,\)",
        ),
        (
            lambda x: F.conv_transpose1d(x, tg.ones(3, 1, 1), padding=3),
            ValueError,
            r"give size \(-1,\): \(W - 1\) \* \(1,\) - 2 \* \(3,\)",
        ),
        (
            lambda x: F.conv_transpose1d(x, tg.ones(3, 2, 1), tg.ones(3)),
            ValueError,
            r"bias has shape \(3,\) but weight \(3, 2, 1\) expects \(2,\)",
        ),
        (
            lambda x: F.conv_transpose1d(x, tg.ones(3, 2, 1), groups=2),
            ValueError,
            "multiple of groups=2",
        ),
        (
            lambda x: F.conv_transpose1d(x, tg.ones(3, 2, 1).double()),
            TypeError,
            "weight is float64",
        ),
        (
            lambda x: F.conv_transpose2d(x, tg.ones(3, 2, 1)),
            ValueError,
            r"\(C, O / groups, KH, KW\)",
        ),
    ],
)
def test_convolution_refuses_what_does_not_fit(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.zeros(2, 3, 5))
