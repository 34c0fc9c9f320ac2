"""``--device``: which files take part, and where arrays of host and device meet."""

from __future__ import annotations

import numpy as np
import on_device
import pytest

import tinygrad_cv as tg


@pytest.mark.parametrize("place", on_device.HOST_ALONE)
def test_what_does_not_take_part_is_there(place):
    file, _, function = place.partition("::")
    assert (on_device.TESTS / file).exists()
    if function:
        assert f"def {function}(" in (on_device.TESTS / file).read_text()


def test_a_test_is_found_by_its_folder_its_file_or_itself():
    reason = on_device.reason_to_stay
    tests = on_device.TESTS
    assert reason(tests / "cli" / "test_cli.py") == ("cli", on_device.HOST_ALONE["cli"])
    assert reason(tests / "gates" / "test_kernels.py") is not None
    assert reason(tests / "gates" / "test_conv.py") is None
    assert reason(tests / "engine" / "test_tensor.py") is None
    assert reason(tests / "engine" / "test_tensor.py", "test_dlpack") is not None
    assert reason(tests.parent / "docs" / "cuda.md") is not None


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
