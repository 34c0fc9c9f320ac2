"""What conv2d refuses, in words that say what would be right; and the size formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
import tinygrad_cv.functional as F

X, W = tg.zeros(2, 4, 8, 8), tg.zeros(16, 4, 5, 5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.conv2d(X, tg.zeros(16, 3, 5, 5)),
            ValueError,
            r"conv2d: input has 4 channels but weight \(16, 3, 5, 5\) expects 3 \(groups=1\)$",
        ),
        (
            lambda: F.conv2d(X, tg.zeros(16, 4, 5, 5), groups=2),
            ValueError,
            r"input has 4 channels but weight \(16, 4, 5, 5\) expects 8 \(groups=2\)$",
        ),
        (
            lambda: F.conv2d(tg.zeros(2, 8, 8, 3), tg.zeros(16, 3, 5, 5)),
            ValueError,
            r"has 8 channels .*; the channels seem to come last, use permute\(0, 3, 1, 2\)",
        ),
        (
            lambda: F.conv2d(X, tg.zeros(3, 2, 5, 5), groups=2),
            ValueError,
            r"conv2d: 3 output channels are not a multiple of groups=2",
        ),
        (
            lambda: F.conv2d(X, tg.zeros(16, 4, 11, 5), padding=1),
            ValueError,
            r"kernel's 11 rows are more than the padded input's 8 \+ 2 \* 1: "
            r"\(8 - 11 \+ 2 \* 1\)/1 \+ 1 < 1",
        ),
        (
            lambda: F.conv2d(X, W, dilation=(1, 2), stride=3),
            ValueError,
            r"kernel's 9 columns are more than the padded input's 8 \+ 2 \* 0: \(8 - 9 .*\)/3 \+ 1",
        ),
        (lambda: F.conv2d(X, W, stride=-1), ValueError, r"conv2d: stride must be at least 1, got -1"),
        (lambda: F.conv2d(X, W, stride=(1, 0)), ValueError, r"stride must be .* got \(1, 0\)"),
        (lambda: F.conv2d(X, W, padding=-1), ValueError, r"padding must be at least 0, got -1"),
        (lambda: F.conv2d(X, W, dilation=0), ValueError, r"dilation must be at least 1, got 0"),
        (lambda: F.conv2d(X, W, groups=0), ValueError, r"groups must be an int of at least 1, got 0"),
        (lambda: F.conv2d(X, W, groups=1.0), ValueError, r"groups must be an int .* got 1\.0"),
        (lambda: F.conv2d(X, W, stride=1.5), TypeError, r"stride must be an int or a pair of ints, got 1\.5"),
        (lambda: F.conv2d(X, W, padding=(1, 1, 1)), TypeError, r"padding must be .* got \(1, 1, 1\)"),
        (
            lambda: F.conv2d(X, W, padding="full"),
            ValueError,
            r"padding must be an int, a pair of ints, 'same' or 'valid', got 'full'",
        ),
        (lambda: F.conv2d(X, W, padding="same", stride=2), ValueError, r"padding 'same' needs stride 1"),
        (lambda: F.conv2d(tg.zeros(4, 8), W), ValueError, r"input must have shape \(N, C, H, W\) or"),
        (lambda: F.conv2d(X, tg.zeros(4, 5, 5)), ValueError, r"weight must have shape .* got \(4, 5, 5\)"),
        (lambda: F.conv2d(X, tg.zeros(16, 4, 0, 5)), ValueError, r"weight \(16, 4, 0, 5\) has no rows"),
        (
            lambda: F.conv2d(X, W, tg.zeros(4)),
            ValueError,
            r"bias has shape \(4,\) but weight \(16, 4, 5, 5\) expects \(16,\)",
        ),
        (lambda: F.conv2d(X, W.double()), TypeError, r"weight is float64 but input is float32"),
        (lambda: F.conv2d(X, W, tg.zeros(16).double()), TypeError, r"bias is float64 but input"),
        (lambda: F.conv2d(X.long(), W.long()), TypeError, r"expected floats, got int64; use .float\(\)"),
    ],
)  # fmt: skip
def test_mistakes_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 8),
    stride=st.integers(1, 5),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
)
def test_conv_output_size_counts_the_positions(size, kernel, stride, padding, dilation):
    starts = range(-padding, size + padding, stride)
    fits = [s for s in starts if s + dilation * (kernel - 1) < size + padding]
    assert max(F.conv_output_size(size, kernel, stride, padding, dilation), 0) == len(fits)


def test_conv_output_size_is_the_textbooks():
    assert F.conv_output_size(7, 3, 1) == 5
    assert F.conv_output_size(7, 3, 2) == 3
    assert F.conv_output_size(227, 11, S=4, P=0) == 55


def test_numpy_integers_are_integers():
    one = np.int64(1)
    assert F.conv2d(X, W, stride=one, padding=(one, one), groups=one).shape == (2, 16, 6, 6)
