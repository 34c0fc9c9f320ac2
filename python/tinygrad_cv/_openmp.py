"""Loads the extension so that OpenMP's idle threads spin shortly and then sleep.

GCC's runtime lets a thread that waits spin for milliseconds. On a machine with other work that keeps
the thread it waits for off the processor: LeNet's epoch took 51 s instead of 3 on two busy cores.
The runtime reads the wait when it is loaded, and only then; what the user set is left as it is.
"""

from __future__ import annotations

import importlib
import os

# A few microseconds, as long as waking a sleeping thread takes. A step of LeNet, batch 32, on two cores
# with twelve other programs: 18 ms with 0, 500 or 2,000, 24 with 10,000, 48 with 50,000, 68 or more with
# 300,000; likewise with 1 and 5 ms of the user's own work between steps.
SPINS = "2000"

_NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

if not any(name in os.environ for name in _NAMES):
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        importlib.import_module("tinygrad_cv._core")
    finally:
        del os.environ["GOMP_SPINCOUNT"]  # not for the programs that the user starts
