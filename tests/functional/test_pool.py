"""What the pools refuse."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F

X = tg.zeros(2, 3, 6, 6)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        ((X, 7), {}, ValueError, r"the window's 7 rows are more than the padded input's 6 \+ 2 \* 0: "
                                 r"\(6 - 7 \+ 2 \* 0\)/7 \+ 1 < 1"),
        ((X, (2, 9), 2), {}, ValueError, r"the window's 9 columns are more than .*/2 \+ 1 < 1"),
        ((X, 2), {"padding": 2}, ValueError, r"padding 2 is more than half of the window's 2 rows"),
        ((X, 0), {}, ValueError, r"kernel_size must be at least 1, got 0"),
        ((X, 2, -1), {}, ValueError, r"stride must be at least 1, got -1"),
        ((X, 2), {"padding": -1}, ValueError, r"padding must be at least 0, got -1"),
        ((X, 2.0), {}, TypeError, r"kernel_size must be an int or a pair of ints, got 2\.0"),
        ((tg.zeros(6, 6), 2), {}, ValueError, r"input must have shape .* got \(6, 6\)"),
        ((X.long(), 2), {}, TypeError, r"expected floats, got int64; use \.float\(\) first"),
    ],
)  # fmt: skip
def test_mistakes_are_refused(name, args, options, error, message):
    with pytest.raises(error, match=f"{name}: {message}"):
        getattr(F, name)(*args, **options)


def test_a_divisor_of_zero_is_refused():
    with pytest.raises(ValueError, match="avg_pool2d: divisor_override must not be 0"):
        F.avg_pool2d(X, 2, divisor_override=0)


def test_a_dilated_window_counts_with_its_gaps():
    with pytest.raises(ValueError, match=r"max_pool2d: the window's 7 rows are more than"):
        F.max_pool2d(X, 3, dilation=3)
