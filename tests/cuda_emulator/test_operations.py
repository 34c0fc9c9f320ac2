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
