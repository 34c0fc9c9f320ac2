"""The sanitizers see what the emulator alone cannot: a read behind an array, a race that came out well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cupy")]

HERE = Path(__file__).parent
PROGRAM = """
import sys
sys.path.insert(0, {here!r})
import numpy as np
import standin
cupy = standin.module()
source = open({common!r}).read().replace("#pragma once", "") + '''
extern "C" __global__ void __launch_bounds__(64) reverse(const float* x, float* y, int n) {{
    SHARED(float, part, [64]);
    const int i = static_cast<int>(threadIdx.x);
    part[i] = {read};
    {barrier}
    if (i < n) y[i] = part[n - 1 - i];
}}'''
x, y = cupy.ones(50, np.float32), cupy.empty(50, np.float32)
cupy.RawModule(code=source).get_function("reverse")((1,), (64,), (x, y, np.int32(50)))
print("fine", y.get().sum())
"""


def run(kind, read="i < n ? x[i] : 0.0f", barrier="__syncthreads();"):
    common = HERE.parents[1] / "csrc" / "cuda" / "kernel_common.cuh"
    find = lambda name: subprocess.run(  # noqa: E731
        ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    libraries = [find(f"lib{kind}.so"), find("libstdc++.so")]
    if not all(map(os.path.isabs, libraries)):
        pytest.skip(f"g++ has no lib{kind}")
    program = PROGRAM.format(here=str(HERE), common=str(common), read=read, barrier=barrier)
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {
            "CUDA_EMULATOR": kind,
            "LD_PRELOAD": ":".join(libraries),
            "OMP_NUM_THREADS": "1",
            "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
            "TSAN_OPTIONS": "halt_on_error=1:exitcode=66",
        },
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("kind", ["asan", "tsan"])
def test_a_correct_kernel_passes(kind):
    done = run(kind)
    assert done.stdout == "fine 50.0\n", done.stderr


def test_a_read_behind_an_array_is_seen():
    done = run("asan", read="x[i]")
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


def test_a_race_is_seen_in_an_order_of_threads_that_hides_it():
    # Every thread reads what it wrote itself or an earlier one wrote: right by luck.
    done = run("tsan", read="1.0f; part[0] = 1.0f", barrier="__syncthreads();")
    assert done.returncode != 0
    assert "data race" in done.stderr
