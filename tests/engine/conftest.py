"""What tests of shared memory leave behind: nothing."""

from __future__ import annotations

import gc

import pytest

from tinygrad_cv.engine import exposure, memory, watch


def remembered():
    return watch.reasons, len(memory.shared), len(exposure.waiting)


@pytest.fixture(scope="module")
def baseline():
    gc.collect()
    return remembered()


@pytest.fixture
def nothing_left_behind(baseline):
    """After each test the engine is back on its fast path and remembers no array."""
    yield
    if remembered() != baseline:  # cycles, such as a caught error's traceback
        gc.collect()
    assert remembered() == baseline
