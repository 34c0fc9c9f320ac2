"""Bytes as numbers: exactly what NumPy's division gives."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv import _core


@pytest.mark.parametrize("shape", [(0,), (1,), (15,), (17, 3), (256,), (3, 5, 7, 11), (130, 257)])
def test_every_byte_is_divided_exactly(shape):
    x = (np.arange(np.prod(shape)) % 256).astype(np.uint8).reshape(shape)
    y = _core.byte_units(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, x / np.float32(255))
    if x.ndim == 1 and x.size > 1:
        np.testing.assert_array_equal(_core.byte_units(x[1:]), y[1:])  # from any address


def test_other_numbers_than_bytes_are_refused():
    with pytest.raises(TypeError, match="byte_units: x must be a uint8 array"):
        _core.byte_units(np.zeros(3, np.int8))
    with pytest.raises(ValueError, match="C-contiguous"):
        _core.byte_units(np.zeros(6, np.uint8)[::2])
