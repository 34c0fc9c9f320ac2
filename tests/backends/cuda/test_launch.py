"""Launching: what is converted, what is refused, and what a room without a kernel falls back to."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv import backends


@pytest.fixture
def launch(cupy):
    from tinygrad_cv.backends.cuda.launch import launch

    return launch


def arguments(gpu):
    parts, y = gpu.ones((2, 3), np.float32), gpu.empty(3, np.float32)
    return [parts, None, y, 2, 3, 3, False]


def test_numbers_take_the_type_that_the_kernel_reads(gpu, launch):
    given = arguments(gpu)
    launch("matmul", "sum_splits_f32", 1, *given)
    np.testing.assert_array_equal(given[2].get(), [2, 2, 2])


def test_no_blocks_are_no_launch(gpu, launch):
    from standin import Cuda

    given, before = arguments(gpu), Cuda.launches
    launch("matmul", "sum_splits_f32", 0, *given)
    assert Cuda.launches == before
    assert np.isnan(given[2].get()).all()


@pytest.mark.parametrize(
    ("error", "place", "value", "message"),
    [
        (TypeError, 2, np.zeros(3, np.float32), "y must be float32, got ndarray of float32"),
        (TypeError, 2, 3.0, "sum_splits_f32: y must be float32, got float of float"),
        (ValueError, 3, 2**31, "splits is 2147483648, but must be at most 2147483647"),
        (ValueError, 3, -(2**31) - 1, "splits is -2147483649"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(gpu, launch, error, place, value, message):
    given = arguments(gpu)
    given[place] = value
    with pytest.raises(error, match=message):
        launch("matmul", "sum_splits_f32", 1, *given)


def test_an_array_of_another_dtype_is_refused(gpu, launch):
    given = arguments(gpu)
    given[0] = given[0].astype(np.float64)
    with pytest.raises(TypeError, match="parts must be float32, got ndarray of float64"):
        launch("matmul", "sum_splits_f32", 1, *given)


def test_missing_arguments_and_too_many_blocks_are_refused(gpu, launch):
    given = arguments(gpu)
    with pytest.raises(TypeError, match="sum_splits_f32: takes 7 arguments, got 6"):
        launch("matmul", "sum_splits_f32", 1, *given[:-1])
    with pytest.raises(ValueError, match="2147483648 blocks, but a launch has at most 2147483647"):
        launch("matmul", "sum_splits_f32", 2**31, *given)


def test_a_loop_over_elements_has_a_thread_for_each_up_to_a_limit(cupy):
    from tinygrad_cv.backends.cuda.launch import threads_for

    assert [threads_for(n) for n in (0, 1, 256, 257)] == [0, 1, 1, 2]
    assert threads_for(10**9) == 32 * 4  # the stand-in has 4 multiprocessors


def test_what_the_room_lacks_runs_in_the_reference_room(gpu):
    """Results and what the function writes to come back to the device."""
    from tinygrad_cv.backends.cuda import through_the_host

    def halve(x, out, factor):
        out *= factor
        return x / 2, "done"

    x, out = gpu.ones((2, 3), np.float32), gpu.ones(3, np.float32)
    half, word = through_the_host(halve)(x, out, factor=3)
    assert isinstance(half, gpu.ndarray)
    assert word == "done"
    np.testing.assert_array_equal(half.get(), np.full((2, 3), 0.5))
    np.testing.assert_array_equal(out.get(), [3, 3, 3])
    np.testing.assert_array_equal(x.get(), np.ones((2, 3)))


def test_the_room_falls_back_by_name(gpu, monkeypatch):
    reference = backends.reference.room
    monkeypatch.setattr(reference, "double", lambda x: 2 * x, raising=False)
    np.testing.assert_array_equal(gpu.room.double(gpu.ones(2, np.float32)).get(), [2, 2])
    with pytest.raises(AttributeError, match="the 'cuda' room has no function 'treble'"):
        gpu.room.treble  # noqa: B018
