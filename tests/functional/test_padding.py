"""Padding in all modes, and windows laid out and added up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F

X = np.random.default_rng(5).standard_normal((2, 3, 4, 5))


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@given(pad=st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_pad_from_itself_agrees_with_torch(agree, mode, pad):
    agree(f"F.pad(x, {pad}, mode={mode!r})", x=X)


@pytest.mark.torch
@given(
    pad=st.integers(0, 4).flatmap(
        lambda n: st.lists(st.integers(-1, 2), min_size=2 * n, max_size=2 * n)
    ),
    value=st.sampled_from([None, 0.0, -1.5]),
)
def test_pad_constant_agrees_with_torch(agree, pad, value):
    agree(f"F.pad(x, {pad}, value={value})", x=X)


@given(pad=st.lists(st.integers(0, 3), min_size=2, max_size=2))
@pytest.mark.parametrize(
    ("mode", "numpys"),
    [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"), ("constant", "constant")],
)
def test_pad_agrees_with_numpy(mode, numpys, pad):
    x = X[0, 0]
    got = F.pad(tg.tensor(x), pad, mode=mode)
    np.testing.assert_array_equal(got.numpy(), np.pad(x, [(0, 0), pad], mode=numpys))


@pytest.mark.torch
@given(st.data())
def test_unfold_and_fold_agree_with_torch(agree, data):
    pairs = st.tuples(st.integers(1, 2), st.integers(1, 2))
    kernel, dilation, stride = (data.draw(pairs) for _ in range(3))
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    agree(f"F.unfold(x, {kernel}, {dilation}, {padding}, {stride})", x=X)
    columns = F.unfold(tg.tensor(X), kernel, dilation, padding, stride).numpy() + 1
    agree(f"F.fold(x, (4, 5), {kernel}, {dilation}, {padding}, {stride})", x=columns)


@pytest.mark.torch
@given(st.integers(0, 3), st.integers(0, 4), st.integers(1, 3))
def test_windows_of_a_dimension_agree_with_torch(agree, dim, size, step):
    size = min(size, X.shape[dim])
    agree(f"x.unfold({dim}, {size}, {step})", x=X)


def test_fold_counts_each_pixel_once_a_window():
    ones = tg.ones(1, 4, 4)
    assert F.fold(ones, 3, 2).tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


def test_unfold_takes_images_without_a_batch():
    x = tg.tensor(X[0])
    assert F.unfold(x, 2).shape == (12, 12)
    assert F.fold(F.unfold(x, 2), (4, 5), 2).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: F.pad(x, (1,)), ValueError, r"pairs \(before, after\)"),
        (lambda x: F.pad(x, (1,) * 10), ValueError, "at most 4"),
        (lambda x: F.pad(x, (-3, -3)), ValueError, "cuts more than"),
        (
            lambda x: F.pad(x, (5, 0), mode="reflect"),
            ValueError,
            "can add at most 4 to dimension 3",
        ),
        (lambda x: F.pad(x, (6, 0), mode="circular"), ValueError, "can add at most 5"),
        (lambda x: F.pad(x, (1, 0), mode="mirror"), ValueError, "got 'mirror'"),
        (lambda x: F.pad(x, (1, 0), mode="reflect", value=1), ValueError, "takes no value, got 1"),
        (lambda x: x.unfold(0, 3, 1), ValueError, "size 3 is more than dimension 0"),
        (lambda x: x.unfold(0, 1, 0), ValueError, "step must be at least 1, got 0"),
        (lambda x: F.unfold(x, 6), ValueError, r"\(4 - 6 \+ 2 \* 0\)/1 \+ 1 < 1"),
        (lambda x: F.unfold(x.long(), 2), TypeError, "expected floats, got int64"),
        (lambda x: F.fold(x[:, 0], 3, 3), ValueError, r"must have shape \(N, C \* 9, L\)"),
        (
            lambda x: F.fold(tg.zeros(1, 4, 3), 3, 2),
            ValueError,
            r"3 columns but images of \(3, 3\)",
        ),
    ],
)
def test_padding_and_windows_refuse_what_does_not_fit(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.tensor(X))
