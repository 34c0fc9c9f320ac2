"""Gates large enough for their kernels: values and gradients as those of the small ones, and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import functional as F
from tinygrad_cv.backends import use_backend
from tinygrad_cv.testing import gradcheck, gradgradcheck

FUNCTIONS = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "exp": F.exp,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, "tanh"),
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
}
SIZE = 320  # above what NumPy's own functions are taken for


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def gradient(function, x, grad, create_graph=False):
    t = tg.tensor(x, requires_grad=True)
    y = function(t)
    (g,) = tg.grad(y, t, tg.tensor(grad), create_graph=create_graph)
    return y.detach().numpy(), g.detach().numpy()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_do_not_depend_on_the_size(name):
    x, grad = drawn(SIZE // 10, 10), drawn(SIZE // 10, 10, seed=1)
    y, gx = gradient(FUNCTIONS[name], x, grad)
    for row in range(3):
        small_y, small_gx = gradient(FUNCTIONS[name], x[row], grad[row])
        np.testing.assert_allclose(y[row], small_y, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(gx[row], small_gx, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_recorded_backward_pass_gives_the_same(name):
    x, grad = drawn(SIZE // 10, 10), drawn(SIZE // 10, 10, seed=1)
    _, plain = gradient(FUNCTIONS[name], x, grad)
    _, recorded = gradient(FUNCTIONS[name], x, grad, create_graph=True)
    np.testing.assert_allclose(plain, recorded, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_rooms_give_the_same(name):
    x, grad = drawn(SIZE // 10, 10), drawn(SIZE // 10, 10, seed=1)
    kernels = gradient(FUNCTIONS[name], x, grad)
    with use_backend("reference"):
        plain = gradient(FUNCTIONS[name], x, grad)
    for ours, theirs in zip(kernels, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", [3, SIZE])
def test_an_unselected_branch_keeps_its_zero(size):
    x = tg.tensor(np.full(size, 1000.0), requires_grad=True)
    y = F.where(x > 0, x, F.exp(x))  # exp is infinite there
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 1)


@pytest.mark.parametrize("size", [3, SIZE])
def test_integers_are_clipped_too(size):
    x = np.arange(size) - 2
    np.testing.assert_array_equal(F.relu(tg.tensor(x)).numpy(), np.maximum(x, 0))


def test_relu_refuses_a_gradient_through_an_output_that_was_written_to():
    x = tg.tensor(drawn(SIZE), requires_grad=True)
    y = F.relu(x)
    loss = y.sum()
    with tg.no_grad():
        y.add_(1.0)
    with pytest.raises(RuntimeError, match="Relu saved its output"):
        loss.backward()


# ---- batch normalisation and cross-entropy, second order ----


@pytest.mark.parametrize("shape", [(5, 3), (3, 2, 4)])
def test_batch_norm_passes_second_order_checks(shape):
    x, w, b = drawn(*shape), drawn(shape[1], seed=1), drawn(shape[1], seed=2)

    def function(*inputs):
        return F.batch_norm(inputs[0], None, None, *inputs[1:], training=True)

    for inputs in ((x, w, b), (x, w), (x,)):
        gradcheck(function, inputs)
        gradgradcheck(function, inputs)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_passes_second_order_checks(reduction):
    labels = tg.tensor([1, 3, 0, 1])
    weight = tg.tensor([0.5, 2.0, 1.0, 1.5], dtype=tg.float64)

    def function(x):
        return F.cross_entropy(x, labels, weight, ignore_index=3, reduction=reduction)

    gradcheck(function, (drawn(4, 4),))
    gradgradcheck(function, (drawn(4, 4),))


def test_ignored_rows_pass_no_gradient_on_be_they_infinite():
    x = drawn(3, 4)
    x[1] = np.inf, np.nan, 0, 0
    for create_graph in (False, True):
        _, gx = gradient(
            lambda t: F.cross_entropy(t, tg.tensor([1, -100, 2])), x, np.array(1.0), create_graph
        )
        assert (gx[1] == 0).all()
        assert np.isfinite(gx).all()


def test_the_mean_of_nothing_is_nan_and_flat():
    x = tg.tensor(drawn(2, 3), requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor([-100, -100]))
    loss.backward()
    assert np.isnan(loss.item())
    np.testing.assert_array_equal(x.grad.numpy(), 0)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu"])
def test_special_values_are_pytorchs(name):
    import torch

    special = np.array([np.nan, -np.inf, 0.0, -0.0, 1.0, -1.0, 500.0, -500.0, np.inf], np.float32)
    if name == "gelu":
        special = special[:-1]  # PyTorch's vectors give NaN there, its scalars infinity
    x = np.tile(special, SIZE // len(special) + 1)
    grad = np.repeat(np.array([1.0, 0.0, -2.0], np.float32), len(x) // 3 + 1)[: len(x)]
    theirs = torch.tensor(x, requires_grad=True)
    y = {"leaky_relu": lambda t: torch.nn.functional.leaky_relu(t, 0.2)}.get(
        name, getattr(torch.nn.functional, name)
    )(theirs)
    y.backward(torch.tensor(grad))
    ours, gx = gradient(FUNCTIONS[name], x, grad)
    np.testing.assert_allclose(ours, y.detach().numpy(), rtol=1e-6, atol=1e-30)
    finite = np.isfinite(x) if name in ("silu", "gelu") else slice(None)
    np.testing.assert_allclose(gx[finite], theirs.grad.numpy()[finite], rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_is_left_to_numpy(name):
    x = tg.tensor(drawn(4, 5).astype(np.float16), requires_grad=True)
    for _ in range(2):
        y = FUNCTIONS[name](x)
        y.backward(tg.tensor(np.ones((4, 5), np.float16)))
    assert y.dtype == np.float16
    want = FUNCTIONS[name](x.detach().float()).numpy()
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=4e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh", "exp", "silu", "gelu"])
@pytest.mark.parametrize("as_scalar", [False, True])
def test_single_numbers_pass_gradients_on(name, as_scalar):
    x = tg.tensor(0.5, dtype=tg.float64, requires_grad=True)
    y = FUNCTIONS[name](x * 1.0 if as_scalar else x)
    (y * y).backward()
    step = 1e-6
    above, below = (
        FUNCTIONS[name](tg.tensor(0.5 + s, dtype=tg.float64)).item() for s in (step, -step)
    )
    assert x.grad.item() == pytest.approx((above**2 - below**2) / (2 * step), rel=1e-6)
