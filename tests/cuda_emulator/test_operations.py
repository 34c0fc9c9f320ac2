"""Every differentiable operation on the emulated GPU: value, first and second derivative as on the CPU."""

from __future__ import annotations

import pytest

from tinygrad_cv.testing import registry
from tinygrad_cv.testing.devices import check_devices


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("op", registry.OPS)
def test_the_devices_agree(op):
    check_devices(op, "cuda")
