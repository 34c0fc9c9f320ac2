"""The emulator notices what it is there to notice: each defect planted here is found."""

from __future__ import annotations

import emulator
import numpy as np
import pytest
import standin

from tinygrad_cv.backends.cuda import sources

COMMON = (sources.FOLDER / "kernel_common.cuh").read_text().replace("#pragma once", "")
REVERSE = (
    COMMON
    + """
extern "C" __global__ void __launch_bounds__(64) reverse(const float* x, float* y, int n) {
    SHARED(float, part, [64]);
    const int i = threadIdx.x;
    GUARD part[i] = i < n ? x[i] : 0.0f;
    BARRIER
    if (i < n) y[i] = part[n - 1 - i];
}
"""
)


@pytest.fixture(autouse=True)
def _emulator(cupy):
    """Skips where there is none."""


def reverse(schedule=0, guard="", barrier="__syncthreads();", n=50, room=None):
    kernel = emulator.build(REVERSE.replace("GUARD", guard).replace("BARRIER", barrier))["reverse"]
    x, y = np.arange(n, dtype=np.float32), np.full(room or n, np.nan, np.float32)
    pointers = np.uint64(x.ctypes.data), np.uint64(y.ctypes.data)
    kernel((1,), (64,), (*pointers, np.int32(n)), schedule)
    return y


@pytest.mark.parametrize("schedule", emulator.SCHEDULES)
def test_a_correct_kernel_is_right_under_every_schedule(schedule):
    np.testing.assert_array_equal(reverse(schedule), np.arange(50)[::-1])


def test_a_missing_barrier_reads_what_nobody_has_written():
    wrong = [np.isnan(reverse(schedule, barrier="")).any() for schedule in emulator.SCHEDULES]
    assert all(wrong)


def test_a_return_before_a_barrier_is_named():
    with pytest.raises(emulator.EmulatorError, match=r"reverse: a barrier after some threads have"):
        reverse(guard="if (i >= n) return;")


def test_threads_at_different_barriers_are_named():
    split = "if (i % 2) { __syncthreads(); } else {\n __syncthreads(); }"
    with pytest.raises(emulator.EmulatorError, match="threads wait at different barriers at line"):
        reverse(barrier=split)


@pytest.mark.parametrize("guard", ["if (threadIdx.x != 5)", "if (threadIdx.x < 32)"])
def test_a_warp_multiplies_together_or_says_who_stays_away(guard):
    source = (
        COMMON
        + f"""extern "C" __global__ void __launch_bounds__(64) product(float* y) {{
    float d[4] = {{}};
    const unsigned a[4] = {{tf32_of(1), tf32_of(1), tf32_of(1), tf32_of(1)}}, b[2] = {{a[0], a[0]}};
    {guard} mma_tf32(d, a, b);
    __syncthreads();
    y[threadIdx.x] = d[3]; }}"""
    )
    y = np.full(64, np.nan, np.float32)
    kernel = emulator.build(source)["product"]
    if "!=" in guard:
        with pytest.raises(
            emulator.EmulatorError, match="operation that lanes do not reach at mma_tf32"
        ):
            kernel((1,), (64,), (np.uint64(y.ctypes.data),))
        return
    for schedule in emulator.SCHEDULES:
        kernel((1,), (64,), (np.uint64(y.ctypes.data),), schedule)
        np.testing.assert_array_equal(y, [8] * 32 + [0] * 32)


def test_the_machine_is_whole_after_an_error():
    with pytest.raises(emulator.EmulatorError):
        reverse(guard="if (i >= n) return;")
    np.testing.assert_array_equal(reverse(3), np.arange(50)[::-1])


def test_too_much_shared_memory_is_an_error():
    source = (
        COMMON
        + """extern "C" __global__ void __launch_bounds__(1) big(float* y) {
    SHARED(float, much, [13000]); much[0] = 1; y[0] = much[0]; }"""
    )
    y = np.zeros(1, np.float32)
    with pytest.raises(emulator.EmulatorError, match="more than 48 KB of shared memory"):
        emulator.build(source)["big"]((1,), (1,), (np.uint64(y.ctypes.data),))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.uint64(0), np.uint64(0)), "takes 3 arguments, got 2"),
        ((np.uint64(0), np.uint64(0), np.int64(1)), "argument 2 is passed as int64"),
        ((np.uint64(0), np.float32(0), np.int32(1)), "argument 1 is passed as float32"),
    ],
)
def test_arguments_of_other_types_are_refused(arguments, message):
    kernel = emulator.build(REVERSE.replace("GUARD", "").replace("BARRIER", ""))["reverse"]
    with pytest.raises(emulator.EmulatorError, match=message):
        kernel((1,), (64,), arguments)


@pytest.mark.parametrize(("grid", "block"), [((1,), (1025,)), ((1, 2), (64,)), ((1,), (0,))])
def test_impossible_launches_are_refused(grid, block):
    kernel = emulator.build(REVERSE.replace("GUARD", "").replace("BARRIER", ""))["reverse"]
    with pytest.raises(emulator.EmulatorError, match="not a launch"):
        kernel(grid, block, (np.uint64(0), np.uint64(0), np.int32(1)))


def test_a_source_that_does_not_compile_says_so():
    with pytest.raises(emulator.EmulatorError, match="nonsense"):
        emulator.build(REVERSE.replace("GUARD", "nonsense;").replace("BARRIER", ""))


def test_division_by_multiplication_is_exact():
    source = (
        COMMON
        + """
    extern "C" __global__ void __launch_bounds__(1)
    divide(const int* n, int* q, int* r, int count, int d) {
        const FastDivide by(d);
        for (int i = 0; i < count; ++i) q[i] = by.split(n[i], r[i]);
    }"""
    )
    kernel = emulator.build(source)["divide"]
    rng = np.random.default_rng(0)
    most = 2**31 - 1
    edges = [2**p + e for p in range(31) for e in (-1, 0, 1)]
    divisors = [
        1,
        2,
        3,
        5,
        7,
        641,
        most,
        most - 1,
        *edges[2:],
        *rng.integers(1, most, 300).tolist(),
    ]
    for d in divisors:
        near = [v for v in (d - 1, d, d + 1, most // d * d - 1, most // d * d) if 0 <= v <= most]
        n = np.array([0, 1, most, *near, *rng.integers(0, most, 50)], np.int32)
        q, r = np.empty_like(n), np.empty_like(n)
        pointers = [np.uint64(a.ctypes.data) for a in (n, q, r)]
        kernel((1,), (1,), (*pointers, np.int32(n.size), np.int32(d)))
        np.testing.assert_array_equal(q, n // d, err_msg=str(d))
        np.testing.assert_array_equal(r, n % d, err_msg=str(d))


def test_a_write_behind_the_memory_is_found(cupy):
    """By the stand-in, which looks at the guards of every allocation after a launch."""
    module = cupy.RawModule(
        code=REVERSE.replace("GUARD", "").replace("BARRIER", "__syncthreads();")
    )
    x, y = cupy.ones(50, np.float32), cupy.empty(49, np.float32)
    with pytest.raises(emulator.EmulatorError, match="wrote outside of 196 bytes"):
        module.get_function("reverse")((1,), (64,), (x, y, np.int32(50)))
    y._memory.check = lambda: None  # it stays spoilt, and lives until the garbage collector runs
    assert standin.Cuda.launches
