"""Hold an NVIDIA GPU to the CPU, then time it: one command, under 8 minutes, one table, one JSON.

First correctness: each kernel on shapes around its tiles' edges against the reference room; each
differentiable operation, to second order, against the CPU; LeNet training to the CPU's losses; then
compute-sanitizer over the kernels, where it is installed. Then times by the GPU's own clock, beside
PyTorch where that sees the GPU: a ratio is PyTorch's median time divided by ours.

With --emulated the correctness half runs on the CPU emulator of the project's tests (a source checkout
and g++ are needed), which shows that this program is sound and says nothing about a GPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _gpu_checks as checks
import _harness as harness
import numpy as np

import tinygrad_cv as tg

if TYPE_CHECKING:
    from collections.abc import Iterator

EMULATOR = harness.ROOT / "tests" / "cuda_emulator"
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
PARTS = ("kernels", "operations", "training")
FOR_TIMINGS = 120.0  # seconds of the run that checks leave to the timings


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--emulated", action="store_true", help="correctness on the tests' emulator")
    made.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="parts of correctness"
    )
    made.add_argument("--no-timings", action="store_true", help="correctness alone")
    made.add_argument("--no-torch", action="store_true", help="time our side alone")
    made.add_argument("--no-sanitizer", action="store_true", help="leave compute-sanitizer out")
    made.add_argument("--no-pool", action="store_true", help="CuPy without its memory pool")
    made.add_argument("--examples", type=int, default=3, help="samples of each operation (3)")
    made.add_argument(
        "--minutes",
        type=float,
        default=8.0,
        help="what has not begun by then is left out, and said (8; no limit with --emulated)",
    )
    made.add_argument("--rounds", type=int, default=11, help="interleaved rounds (11)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    return made.parse_args(arguments)


def emulate() -> None:
    """Put the tests' stand-in for CuPy in its place, and its kernels on the CPU."""
    if not (EMULATOR / "standin.py").exists():
        sys.exit(
            f"gpu_check: --emulated needs the tests of a source checkout, but {EMULATOR} is not there"
        )
    if shutil.which("g++") is None or platform.machine() != "x86_64":
        sys.exit("gpu_check: --emulated needs g++ on an x86-64")
    sys.path.insert(0, str(EMULATOR))
    sys.modules["cupy"] = importlib.import_module("standin").module()


def device(options: argparse.Namespace) -> dict[str, Any]:
    """The GPU and what drives it; exits with what to install where there is none."""
    try:
        tg.zeros(1, device="cuda")
    except RuntimeError as error:
        sys.exit(f"gpu_check: {error}")
    import cupy

    if options.emulated:
        return {"name": "emulated on the CPU", "cupy": cupy.__version__}
    if options.no_pool:
        cupy.cuda.set_allocator(None)
    facts = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return {
        "name": facts["name"].decode(),
        "compute_capability": f"{facts['major']}.{facts['minor']}",
        "multiprocessors": facts["multiProcessorCount"],
        "memory_bytes": facts["totalGlobalMem"],
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "cupy": cupy.__version__,
    }


def correctness(options: argparse.Namespace, deadline: float) -> Iterator[checks.Outcome]:
    if "kernels" in options.only:
        yield from checks.kernels()
    if "operations" in options.only:
        yield from checks.operations(options.examples)
    if "training" in options.only:
        yield from checks.training(*((3, 8) if options.emulated else (30, 64)))
    if not options.emulated and not options.no_sanitizer:
        yield from sanitizers(deadline)


def in_time(outcomes: Iterator[checks.Outcome], deadline: float) -> Iterator[checks.Outcome]:
    """The outcomes, as long as there is time for another check."""
    for one in outcomes:
        yield one
        if time.monotonic() > deadline:
            print(f"no time left: the checks end after {one.check} {one.name}", flush=True)
            return


def sanitizers(deadline: float) -> Iterator[checks.Outcome]:
    """compute-sanitizer's tools over the kernels, without CuPy's pool, which would hide bounds."""
    found = shutil.which("compute-sanitizer")
    if found is None:
        print("compute-sanitizer is not installed: left out", flush=True)
        return
    for tool in TOOLS:
        command = [
            found, "--tool", tool, "--error-exitcode", "3", sys.executable, __file__,
            "--only", "kernels", "--no-timings", "--no-sanitizer", "--no-pool",
        ]  # fmt: skip

        def run(command: list[str] = command) -> float:
            left = max(1.0, deadline - time.monotonic())
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=left)
            except subprocess.TimeoutExpired as error:
                raise AssertionError(f"not done within the {left:.0f} s that were left") from error
            if done.returncode:
                raise AssertionError((done.stdout + done.stderr).strip().splitlines()[-1])
            return 0.0

        yield checks.outcome("sanitizer", tool, run)


def report(outcomes: Iterator[checks.Outcome]) -> list[checks.Outcome]:
    """Print what failed as it comes, and a line for each kind of check."""
    done: list[checks.Outcome] = []
    for one in outcomes:
        done.append(one)
        if not one.passed:
            print(f"FAILED {one.check} {one.name}: {one.found}", flush=True)
    print(f"\n{'check':12s} {'passed':>12s} {'seconds':>9s}")
    for kind in dict.fromkeys(one.check for one in done):
        same = [one for one in done if one.check == kind]
        passed = sum(one.passed for one in same)
        print(f"{kind:12s} {passed:5d} of {len(same):3d} {sum(one.seconds for one in same):9.1f}")
    return done


def timings(options: argparse.Namespace, deadline: float) -> list[dict[str, Any]]:
    import _gpu_timings

    torch = None if options.no_torch else _torch()
    print(f"\n{'time':44s} {'ours':>10s}     PyTorch's time / ours: above 1 we are faster")
    found = []
    for row in _gpu_timings.rows(_gpu_timings.benchmarks(torch), torch, options.rounds, deadline):
        print(_gpu_timings.show(row), flush=True)
        found.append(row)
    return found


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        torch = None
    if torch is None or not torch.cuda.is_available():
        print("PyTorch is not installed or sees no GPU: our side alone is timed", flush=True)
        return None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # as we
    return torch


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    timed = not options.emulated and not options.no_timings
    end = math.inf if options.emulated else time.monotonic() + 60 * options.minutes
    if options.emulated:
        emulate()
    gpu = device(options)
    print(f"{gpu['name']}, CuPy {gpu['cupy']}", flush=True)
    deadline = end - FOR_TIMINGS if timed else end
    done = report(in_time(correctness(options, deadline), deadline))
    rows = timings(options, end) if timed else []
    if options.json:
        record = {
            "schema": harness.SCHEMA,
            "family": "gpu_check",
            "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "command": "python " + " ".join(sys.argv),
            "gpu": gpu,
            "versions": {
                "python": platform.python_version(), "numpy": np.__version__,
                "tinygrad_cv": tg.__version__,
            },
            "checks": [one._asdict() for one in done],
            "rows": rows,
        }  # fmt: skip
        options.json.write_text(json.dumps(record, indent=1) + os.linesep, encoding="utf-8")
        print(f"wrote {options.json}")
    return int(not all(one.passed for one in done) or any("failed" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
