"""Every differentiable operation on the emulated GPU: value, first and second derivative as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv.testing import registry
from tinygrad_cv.testing.devices import OTHER_DRAWS, check_devices


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("op", [op for op in registry.OPS if op not in OTHER_DRAWS])
def test_the_devices_agree(op):
    check_devices(op, "cuda")


@pytest.mark.usefixtures("cupy")
def test_dropout_backward_draws_what_forward_drew():
    """y = m x with the same m, of zeros and 1 / (1 - p), in the gradient and in the gradient's."""
    rng = np.random.default_rng(0)
    x = tg.tensor(rng.uniform(1, 2, (40, 50)), device="cuda", requires_grad=True)
    upstream = tg.tensor(rng.uniform(1, 2, (40, 50)), device="cuda", requires_grad=True)
    y = F.dropout(x, 0.3, generator=tg.Generator(5))
    (gx,) = tg.grad(y, [x], [upstream], create_graph=True)
    (again,) = tg.grad(gx, [upstream], [tg.ones(40, 50, dtype=tg.float64, device="cuda")])
    m = (y / x).detach().cpu().numpy()
    np.testing.assert_allclose(np.unique(m.round(9)), [0, round(1 / 0.7, 9)])
    assert abs((m == 0).mean() - 0.3) < 0.04
    np.testing.assert_allclose((gx / upstream).detach().cpu().numpy(), m)
    np.testing.assert_allclose(again.cpu().numpy(), m)


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize(
    ("drop", "shape"), [(F.dropout1d, (40, 50, 3)), (F.dropout2d, (40, 50, 3, 2))]
)
def test_whole_channels_are_dropped(drop, shape):
    x = tg.ones(*shape, device="cuda", requires_grad=True)
    y = drop(x, 0.3, generator=tg.Generator(5))
    y.sum().backward()
    m = y.detach().cpu().numpy().reshape(40, 50, -1)
    np.testing.assert_allclose(np.unique(m), [0, 1 / 0.7], rtol=1e-6)
    np.testing.assert_array_equal(m, m[:, :, :1] + 0 * m)
    assert abs((m == 0).mean() - 0.3) < 0.04
    np.testing.assert_array_equal(x.grad.cpu().numpy().reshape(m.shape), m)


@pytest.mark.usefixtures("cupy")
def test_alpha_dropout_keeps_mean_and_variance():
    x = tg.randn(100, 100, generator=tg.Generator(1)).cuda().requires_grad_()
    y = F.alpha_dropout(x, 0.3, training=True, generator=tg.Generator(5))
    y.sum().backward()
    values, slopes = y.detach().cpu().numpy(), x.grad.cpu().numpy()
    assert abs(values.mean()) < 0.04
    assert abs(values.std() - 1) < 0.04
    dropped = slopes == 0
    assert abs(dropped.mean() - 0.3) < 0.02
    assert len(np.unique(values[dropped])) == len(np.unique(slopes[~dropped])) == 1
