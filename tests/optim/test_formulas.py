"""Each update, step for step in float64, against its formula written out with NumPy on one page.

The formulas are the textbook's (CS231n, "Neural networks part 3") where it has them, else those of
the papers that the classes name. Gradients are those of a bowl, so they depend on the parameters.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import optim

STEPS = 12
START = np.array([1.0, -2.0, 0.5])
CURVES = np.array([1.0, 3.0, 0.2])


def slope(w):
    """The gradient of sum(curves w^2 / 2) + sum(sin w)."""
    return CURVES * w + np.cos(w)


def path(kind, **options):
    """Where the optimizer goes."""
    w = tg.tensor(START, requires_grad=True)
    optimizer = kind([w], **options)
    points = []
    for _ in range(STEPS):
        w.grad = tg.tensor(slope(w.numpy()))
        optimizer.step()
        points.append(w.numpy().copy())
    return np.array(points)


def assert_path(points, want):
    np.testing.assert_allclose(points, np.array(want), rtol=1e-12, atol=1e-14)


def test_vanilla():
    x, want = START.copy(), []
    for _ in range(STEPS):
        x = x - 0.1 * slope(x)
        want.append(x)
    assert_path(path(optim.SGD, lr=0.1), want)
    assert_path(path(optim.SGD, lr=0.1, formulation="textbook"), want)


@pytest.mark.parametrize("formulation", ["textbook", "pytorch"])
def test_momentum(formulation):
    mu, lr = 0.9, 0.05
    x, v, want = START.copy(), np.zeros(3), []
    for _ in range(STEPS):
        v = mu * v - lr * slope(x)
        x = x + v
        want.append(x)
    assert_path(path(optim.SGD, lr=lr, momentum=mu, formulation=formulation), want)


@pytest.mark.parametrize("formulation", ["textbook", "pytorch"])
def test_nesterov_walks_the_look_ahead_points(formulation):
    mu, lr = 0.9, 0.05
    # The textbook's x with the gradient taken ahead; our parameter is the point ahead, x + mu v.
    x, v, want = START.copy(), np.zeros(3), []
    for _ in range(STEPS):
        v = mu * v - lr * slope(x + mu * v)
        x = x + v
        want.append(x + mu * v)
    points = path(optim.SGD, lr=lr, momentum=mu, nesterov=True, formulation=formulation)
    assert_path(points, want)


def test_dampening_and_weight_decay_in_sgd():
    mu, tau, decay, lr = 0.8, 0.3, 0.1, 0.05
    x, v, want = START.copy(), None, []
    for _ in range(STEPS):
        g = slope(x) + decay * x
        v = g if v is None else mu * v + (1 - tau) * g
        x = x - lr * v
        want.append(x)
    assert_path(path(optim.SGD, lr=lr, momentum=mu, dampening=tau, weight_decay=decay), want)


def test_the_two_formulations_part_when_the_step_size_changes():
    def two_steps(formulation):
        w = tg.tensor(START, requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9, formulation=formulation)
        for lr in (0.1, 0.01):
            optimizer.param_groups[0]["lr"] = lr
            w.grad = tg.tensor(np.ones(3))
            optimizer.step()
        return w.numpy()

    # v = 1, then 1.9: PyTorch's second step is 0.01 * 1.9, the textbook's 0.9 * 0.1 + 0.01 * 1.
    np.testing.assert_allclose(two_steps("pytorch"), START - 0.1 - 0.019, rtol=1e-12)
    np.testing.assert_allclose(two_steps("textbook"), START - 0.1 - 0.1, rtol=1e-12)


def test_adagrad():
    x, c, want = START.copy(), np.zeros(3), []
    for _ in range(STEPS):
        g = slope(x)
        c = c + g**2
        x = x - 0.5 * g / (np.sqrt(c) + 1e-8)
        want.append(x)
    assert_path(path(optim.Adagrad, lr=0.5, eps=1e-8), want)


def test_adagrad_with_all_options():
    x, c, want = START.copy(), np.full(3, 0.3), []
    for t in range(1, STEPS + 1):
        g = slope(x) + 0.1 * x
        c = c + g**2
        x = x - 0.5 / (1 + (t - 1) * 0.2) * g / (np.sqrt(c) + 1e-4)
        want.append(x)
    options = {"lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-4}
    assert_path(path(optim.Adagrad, lr=0.5, **options), want)


def test_rmsprop():
    d = 0.9
    x, c, want = START.copy(), np.zeros(3), []
    for _ in range(STEPS):
        g = slope(x)
        c = d * c + (1 - d) * g**2
        x = x - 0.01 * g / (np.sqrt(c) + 1e-6)
        want.append(x)
    assert_path(path(optim.RMSprop, lr=0.01, alpha=d, eps=1e-6), want)


def test_rmsprop_centered_with_momentum_and_decay():
    d, mu = 0.95, 0.7
    x, c, mean, b, want = START.copy(), np.zeros(3), np.zeros(3), np.zeros(3), []
    for _ in range(STEPS):
        g = slope(x) + 0.05 * x
        c = d * c + (1 - d) * g**2
        mean = d * mean + (1 - d) * g
        b = mu * b + g / (np.sqrt(c - mean**2) + 1e-3)
        x = x - 0.01 * b
        want.append(x)
    options = {"alpha": d, "momentum": mu, "centered": True, "weight_decay": 0.05, "eps": 1e-3}
    assert_path(path(optim.RMSprop, lr=0.01, **options), want)


def test_adadelta():
    rho, eps = 0.9, 1e-4
    x, c, d, want = START.copy(), np.zeros(3), np.zeros(3), []
    for _ in range(STEPS):
        g = slope(x) + 0.01 * x
        c = rho * c + (1 - rho) * g**2
        step = np.sqrt(d + eps) / np.sqrt(c + eps) * g
        d = rho * d + (1 - rho) * step**2
        x = x - 2.0 * step
        want.append(x)
    assert_path(path(optim.Adadelta, lr=2.0, rho=rho, eps=eps, weight_decay=0.01), want)


@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize("amsgrad", [True, False])
def test_adam(correct, amsgrad):
    b1, b2, lr, eps = 0.8, 0.9, 0.1, 1e-6
    x, m, v, top, want = START.copy(), np.zeros(3), np.zeros(3), np.zeros(3), []
    for t in range(1, STEPS + 1):
        g = slope(x) + 0.02 * x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        top = np.maximum(top, v)
        m_hat = m / (1 - b1**t) if correct else m
        v_hat = (top if amsgrad else v) / (1 - b2**t if correct else 1)
        x = x - lr * m_hat / (np.sqrt(v_hat) + eps)
        want.append(x)
    options = {"betas": (b1, b2), "eps": eps, "weight_decay": 0.02, "amsgrad": amsgrad}
    assert_path(path(optim.Adam, lr=lr, bias_correction=correct, **options), want)


def test_adamw_shrinks_the_parameters_themselves():
    b1, b2, lr, decay = 0.9, 0.99, 0.1, 0.3
    x, m, v, want = START.copy(), np.zeros(3), np.zeros(3), []
    for t in range(1, STEPS + 1):
        g = slope(x)
        x = x * (1 - lr * decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        x = x - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        want.append(x)
    assert_path(path(optim.AdamW, lr=lr, betas=(b1, b2), weight_decay=decay), want)


@pytest.mark.parametrize("decoupled", [True, False])
def test_nadam(decoupled):
    b1, b2, lr, psi, decay = 0.9, 0.99, 0.05, 0.01, 0.1

    def mu(t):
        return b1 * (1 - 0.5 * 0.96 ** (t * psi))

    x, m, v, want = START.copy(), np.zeros(3), np.zeros(3), []
    for t in range(1, STEPS + 1):
        g = slope(x) + (0 if decoupled else decay * x)
        x = x * (1 - lr * decay) if decoupled else x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        so_far = math.prod(mu(i) for i in range(1, t + 1))
        m_hat = mu(t + 1) * m / (1 - so_far * mu(t + 1)) + (1 - mu(t)) * g / (1 - so_far)
        x = x - lr * m_hat / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        want.append(x)
    options = {"momentum_decay": psi, "weight_decay": decay, "decoupled_weight_decay": decoupled}
    assert_path(path(optim.NAdam, lr=lr, betas=(b1, b2), **options), want)


def test_lars_scales_matrices_and_leaves_vectors():
    mu, lr, decay, kappa = 0.9, 0.5, 0.1, 0.01
    rng = np.random.default_rng(2)
    start, gradients = rng.standard_normal((2, 3)), rng.standard_normal((STEPS, 2, 3))
    matrix = tg.tensor(start, requires_grad=True)
    vector = tg.tensor(start[0], requires_grad=True)
    optimizer = optim.LARS(
        [matrix, vector], lr=lr, momentum=mu, weight_decay=decay, trust_coefficient=kappa
    )
    x, v, y, u = start, np.zeros((2, 3)), start[0], np.zeros(3)
    for g in gradients:
        matrix.grad, vector.grad = tg.tensor(g), tg.tensor(g[0])
        optimizer.step()
        length = np.linalg.norm(x)
        trust = kappa * length / (np.linalg.norm(g) + decay * length)
        v = mu * v + lr * trust * (g + decay * x)
        u = mu * u + lr * g[0]
        x, y = x - v, y - u
        np.testing.assert_allclose(matrix.numpy(), x, rtol=1e-12)
        np.testing.assert_allclose(vector.numpy(), y, rtol=1e-12)


def test_lars_moves_weights_that_are_zero():
    w = tg.zeros(2, 2, dtype=tg.float64, requires_grad=True)
    w.grad = tg.ones(2, 2, dtype=tg.float64)
    optim.LARS([w], lr=0.5).step()
    assert (w.numpy() == -0.5).all()
