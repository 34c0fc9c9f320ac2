"""``--device``: which files take part, and where arrays of host and device meet."""

from __future__ import annotations

import numpy as np
import on_device
import pytest

import tinygrad_cv as tg


@pytest.mark.parametrize("place", on_device.HOST_ALONE)
def test_what_does_not_take_part_is_there(place):
    assert (on_device.TESTS / place).exists()


def test_a_file_is_found_by_its_folder_or_by_itself():
    reason = on_device.reason_to_stay
    assert reason(on_device.TESTS / "cli" / "test_cli.py") == on_device.HOST_ALONE["cli"]
    assert reason(on_device.TESTS / "gates" / "test_kernels.py") is not None
    assert reason(on_device.TESTS / "gates" / "test_conv.py") is None


def test_host_and_device_meet_where_the_module_says(cupy):
    with pytest.MonkeyPatch.context() as patch:
        on_device._meet(patch)
        there = tg.tensor([1.0, 2.0], device="cuda", requires_grad=True)
        (there * np.array([3.0, 5.0], np.float32)).sum().backward()
        np.testing.assert_array_equal(there.grad.numpy(), [3, 5])
        assert tg.from_numpy(np.ones(2)).is_cuda
    assert not tg.from_numpy(np.ones(2)).is_cuda
    with pytest.raises(TypeError, match=r"use \.cpu"):
        there.numpy()
