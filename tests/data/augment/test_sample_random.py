"""Random numbers of samples, against splitmix64 written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.data.augment import SampleRandom

STEP = np.uint64(0x9E3779B97F4A7C15)


def mixed(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def units(key, indices, drawn, count):
    """Numbers drawn + 1 to drawn + count of each sample, in [0, 1)."""
    start = mixed(np.array([key % 2**64], np.uint64))
    base = mixed(start + (np.array(indices, np.int64).astype(np.uint64) + np.uint64(1)) * STEP)
    counters = np.arange(drawn + 1, drawn + 1 + count, dtype=np.uint64) * STEP
    return (mixed(base[:, None] + counters) >> np.uint64(11)) * 2.0**-53


@given(
    key=st.integers(-(2**70), 2**70),
    indices=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    counts=st.lists(st.integers(0, 4), max_size=4),
)
def test_numbers_are_those_of_splitmix64(key, indices, counts):
    random, drawn = SampleRandom(key, indices), 0
    for count in counts:
        want = units(key, indices, drawn, count)
        np.testing.assert_array_equal(random.uniform(shape=(count,)), want)
        drawn += count
    np.testing.assert_array_equal(
        random.uniform(-3, 5), -3 + 8 * units(key, indices, drawn, 1)[:, 0]
    )


def test_a_number_that_was_written_down():
    """Stays what it is from version to version, so that a run can be repeated."""
    assert SampleRandom(7, [5]).uniform()[0] == units(7, [5], 0, 1)[0, 0] == 0.7052681585717173


def test_each_of_several_numbers_can_have_ends_of_its_own():
    low, high = np.array([0.0, -1.0, 4.0]), np.array([1.0, 1.0, 4.0])
    together = SampleRandom(3, range(6)).uniform(low, high, (3,))
    one_by_one = SampleRandom(3, range(6))
    for i in range(3):
        np.testing.assert_array_equal(together[:, i], one_by_one.uniform(low[i], high[i]))
    assert SampleRandom(3, []).uniform(low, high, (3,)).shape == (0, 3)


def test_what_is_no_sample_is_refused():
    with pytest.raises(TypeError, match="indices must be a int64 array, got ndarray of int32"):
        _core.splitmix_bases(0, np.zeros(2, np.int32))
    with pytest.raises(TypeError, match="bases must be a uint64 array"):
        _core.splitmix_uniform(np.zeros(2), 0, 1, 0.0, 1.0)
    with pytest.raises(ValueError, match="count must be at least 0"):
        _core.splitmix_uniform(np.zeros(2, np.uint64), 0, -1, 0.0, 1.0)
    with pytest.raises(ValueError, match="high must have 3 elements, got 2"):
        SampleRandom(0, [1]).uniform(0.0, np.ones(2), (3,))
