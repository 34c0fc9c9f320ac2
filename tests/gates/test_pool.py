"""Pooling gates: values by the formula, gradients by differences, ties, padding and overhang."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import gradcheck, gradgradcheck, pool2d_settings

MAX, AVG = pool2d_settings(kind="max", max_output=2), pool2d_settings(kind="avg", max_output=2)


def windows(x, kernel_size, stride, padding, dilation=(1, 1), ceil_mode=False):
    """For each place of the result, the (row, column) pairs of its window, also outside x."""
    sizes = []
    for i in (0, 1):
        span = x.shape[2 + i] + 2 * padding[i] - dilation[i] * (kernel_size[i] - 1) - 1
        out = (-(-span // stride[i]) if ceil_mode else span // stride[i]) + 1
        while ceil_mode and (out - 1) * stride[i] >= x.shape[2 + i] + padding[i]:
            out -= 1
        sizes.append(out)
    for p, q in np.ndindex(*sizes):
        yield (
            (p, q),
            [
                (
                    p * stride[0] - padding[0] + i * dilation[0],
                    q * stride[1] - padding[1] + j * dilation[1],
                )
                for i, j in np.ndindex(*kernel_size)
            ],
        )


def inside(x, places):
    return [(r, c) for r, c in places if 0 <= r < x.shape[2] and 0 <= c < x.shape[3]]


@given(case=MAX)
def test_max_pool2d_value_is_the_formulas(case):
    y = F.max_pool2d(tg.tensor(case.input), **case.settings).numpy()
    count = 0
    for (p, q), places in windows(case.input, **case.settings):
        for n, c in np.ndindex(case.input.shape[:2]):
            # With dilation, all of a window can lie on the padding.
            seen = [case.input[n, c, r, k] for r, k in inside(case.input, places)]
            assert y[n, c, p, q] == max(seen, default=-np.inf)
            count += 1
    assert count == y.size


@given(case=AVG)
def test_avg_pool2d_value_is_the_formulas(case):
    x, options = case.input, dict(case.settings)
    y = F.avg_pool2d(tg.tensor(x), **options).numpy()
    include, divisor = options.pop("count_include_pad"), options.pop("divisor_override")
    padding = options["padding"]
    for (p, q), places in windows(x, **options):
        seen = inside(x, places)
        # Padding counts, what hangs over beyond it does not.
        framed = [
            (r, c) for r, c in places if r < x.shape[2] + padding[0] and c < x.shape[3] + padding[1]
        ]
        by = divisor or (len(framed) if include else len(seen))
        for n, c in np.ndindex(x.shape[:2]):
            want = sum(x[n, c, r, k] for r, k in seen) / by
            assert y[n, c, p, q] == pytest.approx(want, rel=1e-12, abs=1e-12)


@given(case=MAX)
def test_max_pool2d_gradient_matches_central_differences(case):
    pool = partial(F.max_pool2d, **case.settings)
    assert not gradcheck(pool, case.input).kinks
    assert not gradgradcheck(pool, case.input).kinks


@given(case=AVG)
def test_avg_pool2d_gradient_matches_central_differences(case):
    pool = partial(F.avg_pool2d, **case.settings)
    assert not gradcheck(pool, case.input).kinks
    assert not gradgradcheck(pool, case.input).kinks


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_third_derivatives(pool):
    """Of a pool's square: the gates of the second pass are differentiated as well."""
    x = tg.tensor(np.arange(16.0).reshape(1, 1, 4, 4), requires_grad=True)
    y = (pool(x, 2) ** 3).sum()
    for _ in range(2):
        y = tg.grad(y, x, create_graph=True)[0].sum()
    (third,) = tg.grad(y, x)
    if pool is F.max_pool2d:  # only the largest of each window counts, each with 6
        np.testing.assert_array_equal(np.flatnonzero(third.numpy()), [5, 7, 13, 15])
        assert set(third.numpy()[third.numpy() != 0]) == {6.0}
    else:  # 6 / 4 for each element: 4 of 4 times 1/4 thrice
        np.testing.assert_allclose(third.numpy(), 6 * 4 * 4 / 64)


# Ties, padding, ends


def test_the_first_of_equals_gets_the_gradient():
    x = tg.tensor(np.array([[[[1.0, 2.0], [2.0, 2.0]]]]), requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[0, 1], [0, 0]]]]


def test_overlapping_windows_add_up():
    x = tg.tensor(np.array([[[[1.0, 5.0, 2.0]]]]), requires_grad=True)
    F.max_pool2d(x, (1, 2), stride=1).sum().backward()
    assert x.grad.tolist() == [[[[0, 2, 0]]]]


def test_padding_of_a_maximum_is_minus_infinity():
    x = tg.tensor(np.full((1, 1, 2, 2), -1.0), requires_grad=True)
    y = F.max_pool2d(x, 2, padding=1)
    assert y.tolist() == [[[[-1, -1], [-1, -1]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[1, 1], [1, 1]]]]


@pytest.mark.parametrize("room", ["cpp", "reference"])
def test_a_window_that_sees_nothing_but_padding_has_no_gradient(room):
    """PyTorch writes such a gradient beside the image."""
    x = tg.tensor(np.ones((2, 2, 1, 1)), requires_grad=True)
    with tg.use_backend(room):
        y = F.max_pool2d(x, (2, 1), stride=1, padding=(1, 0), dilation=(2, 1))
        assert y.shape == (2, 2, 1, 1)
        assert (y.detach().numpy() == -np.inf).all()
        y.sum().backward()
    assert (x.grad.numpy() == 0).all()


def test_nan_wins():
    x = tg.tensor(np.array([[[[1.0, np.nan, 3.0, 4.0]]]]))
    y = F.max_pool2d(x, (1, 2)).tolist()[0][0][0]
    assert np.isnan(y[0])
    assert y[1] == 4


def test_windows_of_minus_infinities():
    x = tg.tensor(np.full((1, 1, 2, 2), -np.inf), requires_grad=True)
    y = F.max_pool2d(x, 2)
    assert y.item() == -np.inf
    y.backward()
    assert x.grad.tolist() == [[[[1, 0], [0, 0]]]]


def test_windows_that_hang_over_divide_as_the_forward_pass_did():
    x = tg.tensor(np.arange(5.0).reshape(1, 1, 1, 5), requires_grad=True)
    y = F.avg_pool2d(x, (1, 2), ceil_mode=True)
    assert y.tolist() == [[[[0.5, 2.5, 4.0]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[0.5, 0.5, 0.5, 0.5, 1.0]]]]


def test_a_single_image_without_batch_and_an_empty_batch():
    x = tg.rand(2, 4, 4)
    for pool in (F.max_pool2d, F.avg_pool2d):
        np.testing.assert_array_equal(pool(x, 2).numpy(), pool(x[None], 2)[0].numpy())
        assert pool(tg.zeros(0, 2, 4, 4), 2).shape == (0, 2, 2, 2)


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_any_layout_is_read(pool):
    dense = np.sin(np.arange(2 * 2 * 4 * 4.0)).reshape(2, 2, 4, 4)
    for layout in (lambda x: x.permute(1, 0, 3, 2), lambda x: x[:, :, ::-1, ::2]):
        seen = np.ascontiguousarray(layout(tg.tensor(dense)).numpy())
        got = pool(layout(tg.tensor(dense)), 2, stride=1)
        np.testing.assert_array_equal(got.numpy(), pool(tg.tensor(seen), 2, stride=1).numpy())
        assert gradcheck(lambda x, layout=layout: pool(layout(x), 2, stride=1), dense[:, :, :, :4])


@pytest.mark.torch
@given(case=MAX)
def test_max_pool2d_is_pytorchs(case):
    agree(case, "max_pool2d")


@pytest.mark.torch
@given(case=AVG)
def test_avg_pool2d_is_pytorchs(case):
    agree(case, "avg_pool2d")


def agree(case, name):
    torch = pytest.importorskip("torch")
    if not len(case.input):
        return
    x, other = (
        tg.tensor(case.input, requires_grad=True),
        torch.tensor(case.input, requires_grad=True),
    )
    y = getattr(F, name)(x, **case.settings)
    want = getattr(torch.nn.functional, name)(other, **case.settings)
    np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), atol=1e-12)
    up = np.sin(np.arange(y.numel())).reshape(y.shape)
    (got,) = tg.grad(y, x, tg.tensor(up))
    (expected,) = torch.autograd.grad(want, other, torch.tensor(up))
    np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-12)
