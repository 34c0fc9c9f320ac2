"""Rows of docs/conventions.md: Windows over images."""

from __future__ import annotations

import math

import numpy as np
import pytest

NAN = math.nan


def test_padding_of_max_pooling(lib, F):
    assert F.max_pool2d(-lib.ones(1, 1, 2, 2), 3, padding=1).tolist() == [[[[-1]]]]


def test_padding_of_more_than_half_a_window(lib, F):
    with pytest.raises(ValueError, match=r"padding 2 is more than half of the window's 3 rows"):
        F.max_pool2d(lib.ones(1, 1, 2, 2), 3, padding=2)


def test_max_pooling_of_nan(lib, F):
    pooled = F.max_pool2d(lib.tensor([[[[1.0, NAN, 2.0, 3.0]]]]), (1, 2))
    np.testing.assert_equal(pooled.tolist(), [[[[NAN, 3]]]])


def test_average_pooling_over_the_edge(lib, F, gradient):
    def pool(x):
        return F.avg_pool2d(x.reshape(1, 1, 1, 5), (1, 2), ceil_mode=True)

    assert pool(lib.tensor([1.0, 2.0, 3.0, 4.0, 5.0])).tolist() == [[[[1.5, 3.5, 5]]]]
    assert gradient(pool, [1, 2, 3, 4, 5]) == [0.5, 0.5, 0.5, 0.5, 1]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("dilation", "read"), [(1, [0, 1, 2]), (2, [0, 2, 4])])
def test_pixels_that_no_kernel_reads(lib, F, dilation, read, groups):
    x, w = lib.ones(1, 2, 6, 6, requires_grad=True), lib.ones(2, 2 // groups, 3, 3)
    F.conv2d(x, w, stride=4, dilation=dilation, groups=groups).sum().backward()
    want = np.zeros((6, 6))
    want[np.ix_(read, read)] = 2 // groups
    np.testing.assert_array_equal(x.grad[0, 0].numpy(), want)


def test_convolution_of_an_empty_batch(lib, F):
    x = lib.zeros(0, 2, 5, 5, requires_grad=True)
    w, b = lib.ones(3, 2, 3, 3, requires_grad=True), lib.ones(3, requires_grad=True)
    y = F.conv2d(x, w, b)
    y.sum().backward()
    assert tuple(y.shape) == (0, 3, 3, 3)
    assert tuple(x.grad.shape) == (0, 2, 5, 5)
    assert w.grad.count_nonzero().item() == b.grad.count_nonzero().item() == 0


def test_batch_norm_of_one_value_a_channel(lib, F):
    with pytest.raises(ValueError, match=r"more than (1|one) value"):
        F.batch_norm(lib.ones(1, 3), None, None, training=True)


def test_channels_that_come_last(lib, F):
    with pytest.raises(ValueError, match=r"channels seem to come last, use permute\(0, 3, 1, 2\)"):
        F.conv2d(lib.zeros(1, 8, 8, 3), lib.zeros(4, 3, 3, 3))
