"""What every benchmark shares: interleaved rounds, the machine, tables and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tinygrad_cv as tg
from tinygrad_cv import _core

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
SCHEMA = 1

# What holds each library to the instruction set that TINYGRAD_CV_ISA names for us: PyTorch's own
# kernels, oneDNN and MKL below it, and XLA. onnxruntime has no such switch.
HELD_TO = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512", "XLA_FLAGS": "--xla_cpu_max_isa=AVX512",
    },
}  # fmt: skip


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=_count, default=15, help="interleaved rounds (15)")
    made.add_argument("--threads", type=_count, default=None, help="threads of both sides (all)")
    made.add_argument("--quick", action="store_true", help="few rounds and a part of the rows")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every round's time there")
    made.add_argument("--no-torch", action="store_true", help="time our side alone")
    made.add_argument(
        "--isa", choices=HELD_TO, help="hold both sides to this instruction set, in a fresh process"
    )
    return made


def add_against(made: argparse.ArgumentParser, names: list[str]) -> None:
    """The option for opponents that run in processes of their own."""
    made.add_argument(
        "--against", nargs="*", choices=names, default=None,
        help=f"of {', '.join(names)} (those installed)",
    )  # fmt: skip


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def start(options: argparse.Namespace) -> Any:
    """Set threads, look at what would falsify a timing, and return PyTorch or None.

    With ``--isa`` the program first starts anew: libraries choose their kernels when they are loaded.
    """
    if options.isa is not None and os.environ.get("TINYGRAD_CV_ISA") != options.isa:
        environment = {**os.environ, **HELD_TO[options.isa], "TINYGRAD_CV_ISA": options.isa}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    if options.threads is not None:
        tg.set_num_threads(options.threads)
    torch = None if options.no_torch else _torch()
    if torch is not None:
        torch.set_num_threads(tg.get_num_threads())
    _refuse_two_runtimes()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the load is {load:.1f}; other processes disturb the timing", flush=True)
    return torch


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: our side alone is timed", flush=True)
        return None
    return torch


def _refuse_two_runtimes() -> None:
    """Idle threads of a second OpenMP runtime spin on the cores that the first one needs."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return
    found = {pool["filepath"] for pool in threadpool_info() if pool["user_api"] == "openmp"}
    if len(found) > 1:
        sys.exit(f"two OpenMP runtimes are loaded, timings would be at random: {sorted(found)}")


def interleave(
    contestants: dict[str, Callable[[], Any]], rounds: int, least: float = 0.01
) -> dict[str, list[float]]:
    """Seconds a call, for each contestant and round.

    In each round every contestant runs in turn, as often as fills `least` seconds, so that a slow
    minute of the machine hits all of them alike.
    """
    repeats = {}
    for name, call in contestants.items():
        call()
        once = seconds_of(call, 1)
        repeats[name] = max(1, min(1000, round(least / max(once, 1e-7))))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            count = repeats[name]
            times[name].append(seconds_of(call, count) / count)
    return times


def seconds_of(call: Callable[[], Any], count: int) -> float:
    """Seconds of so many calls; what runs in another process has a method `timed` that measures there."""
    timed: Callable[[int], float] | None = getattr(call, "timed", None)
    if timed is not None:
        return timed(count)
    t0 = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - t0


def timed_row(
    contestants: dict[str, Callable[[], Any]], rounds: int, *, least: float = 0.01, **facts: Any
) -> dict[str, Any]:
    """A row of results: what was timed, and for each contestant the microseconds of every round."""
    row: dict[str, Any] = dict(facts)
    for side, seconds in interleave(contestants, rounds, least).items():
        row[f"{side}_us"] = [round(1e6 * t, 3) for t in seconds]
    return row


def ratio(row: dict[str, Any], side: str) -> float:
    """An opponent's median time divided by ours: above 1 we are faster."""
    return median(row[f"{side}_us"]) / median(row["ours_us"])


def opponents(row: dict[str, Any]) -> list[str]:
    """The names of those that ran beside us."""
    return [key[:-3] for key in row if key.endswith("_us") and key != "ours_us"]


def show(row: dict[str, Any], label: str) -> None:
    """Print a row: our median time, then the opponents' times divided by it."""
    line = f"{label:44s} {median(row['ours_us']):10.1f} us"
    line += "".join(f"  {side} {ratio(row, side):6.2f}" for side in opponents(row))
    print(line, flush=True)


def show_means(rows: list[dict[str, Any]], label: str) -> None:
    """Print the geometric mean of each opponent's ratio, and of the better one row by row."""
    rows = [row for row in rows if opponents(row)]
    if not rows:
        return
    means = {s: geometric_mean([ratio(r, s) for r in rows]) for s in opponents(rows[0])}
    if len(means) > 1:
        means["the best of them"] = geometric_mean(
            [min(ratio(r, s) for s in opponents(r)) for r in rows]
        )
    print(f"geometric mean, {label}: " + ", ".join(f"{s} {m:.2f}" for s, m in means.items()))


def headline(rounds: int) -> None:
    """Print the machine, the threads and what the figures are."""
    info = machine()
    print(
        f"{info['cpu']}, {tg.get_num_threads()} threads, {info['isa']}, medians of {rounds} "
        "rounds; a figure after a name is its time divided by ours: above 1 we are faster"
    )


def median(values: list[float]) -> float:
    return float(np.median(values))


def relative_error(ours: Any, theirs: Any) -> float:
    """Largest difference, as a share of the largest value."""
    scale = np.abs(theirs).max() if theirs.size else 1.0
    return float(np.abs(ours - theirs).max() / max(scale, 1e-30)) if theirs.size else 0.0


def geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values)))) if values else float("nan")


def machine() -> dict[str, Any]:
    """The processor, its cores and measured peak, and what compiled the kernels."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "isa": _core.isa(),
        "peak_gflops_f32": round(_core.measure_peak(), 1),
        "os": f"{platform.system()} {platform.release()}",
        "compiler": _core.compiler,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    family, model = names.get("cpu family", "?"), names.get("model", "?")
    return f"{names.get('model name', 'unknown')} (family {family}, model {model})"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def write_json(
    options: argparse.Namespace,
    family: str,
    rows: list[dict[str, Any]],
    torch: Any,
    others: dict[str, str] | None = None,
) -> None:
    """Write raw times of every round, with all that is needed to read them later.

    `others`: versions of opponents beside PyTorch. A run held to an instruction set is a family of
    its own, such as "conv2d-avx2".
    """
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "tinygrad_cv": tg.__version__,
    }
    if torch is not None:
        versions["torch"] = torch.__version__
    versions.update(others or {})
    record = {
        "schema": SCHEMA,
        "family": family if options.isa is None else f"{family}-{options.isa}",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "command": "python " + " ".join(sys.argv),
        "machine": machine(),
        "versions": versions,
        "threads": tg.get_num_threads(),
        "rounds": options.rounds,
        "rows": rows,
    }
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.json}")
