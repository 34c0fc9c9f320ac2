"""Normalisation on the device without a copy to the host: values and gradients of the reference room."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.backends.reference import room as reference


@pytest.fixture
def compare(gpu):
    """Calls a function of both rooms, and sees that nothing waited for the device meanwhile."""
    from standin import Cuda

    def call(name, *args):
        there = [gpu.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
        before = Cuda.synchronizations
        got = getattr(gpu.room, name)(*there)
        assert Cuda.synchronizations == before
        want = getattr(reference, name)(*args)
        got, want = (r if isinstance(r, tuple) else (r,) for r in (got, want))
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one.get(), other, rtol=1e-12, atol=1e-12)
        return want

    return call


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm(compare, rng, affine, relu):
    x, grad = rng.standard_normal((2, 4, 3, 5, 2))
    weight, bias = rng.standard_normal((2, 3)) if affine else (None, None)
    x, grad = (a.reshape(4, 3, 5, 2) for a in (x, grad))
    _, mean, _, root = compare("batch_norm", x, weight, bias, 1e-5, relu)
    compare("batch_norm_backward", grad, x, weight, bias, mean, root, relu)


def test_channels(compare, rng):
    x, y = rng.standard_normal((2, 4, 3, 5))
    compare("channel_sum", x)
    compare("relu_channel_sum", x, np.maximum(y, 0))
    compare("channel_affine", x, rng.standard_normal(3), rng.standard_normal(3), True)
