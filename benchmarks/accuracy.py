"""Train networks from the command line over several seeds and record test accuracy and time.

Each run is `tinygrad-cv train …` in a process of its own, as a user starts it. With --json the
result can be committed to benchmarks/results, from which report.py fills the README's table.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _harness as harness

ONE_CYCLE = ["--optimizer", "nesterov", "--weight-decay", "5e-4", "--schedule", "onecycle",
             "--schedule-unit", "step"]  # fmt: skip
RUNS = {
    "lenet-digits": ["train", "lenet", "--data", "digits"],
    "lenet-mnist": ["train", "lenet", "--data", "mnist", "--epochs", "3"],
    "lenet-mnist-50": [
        *["train", "lenet", "--data", "mnist", "--batch-size", "250", "--epochs", "50"],
        *["--lr", "0.1", *ONE_CYCLE],
    ],
    "convnet-cifar10": [
        *["train", "INPUT -> [CONV -> BN -> RELU -> POOL]*3 -> FC", "--data", "cifar10"],
        *["--batch-size", "100", "--epochs", "10", "--lr", "0.05", *ONE_CYCLE],
    ],
}
LAST_LINE = re.compile(r"test accuracy ([\d.]+) % \(([\d,]+) images\)")
EPOCH_SECONDS = re.compile(r"^epoch .* ([\d.]+) s, ", re.M)


def run(name: str, seed: int) -> dict[str, Any]:
    """One training run: its command, accuracy in percent, and seconds (whole program, training)."""
    arguments = [*RUNS[name], "--seed", str(seed)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tinygrad_cv", *arguments, "--out", folder]
        t0 = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - t0
        files = sorted(path.name for path in Path(folder).iterdir())
    found = LAST_LINE.search(done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    training = sum(float(s) for s in EPOCH_SECONDS.findall(done.stdout))
    return {
        "name": name,
        "command": "tinygrad-cv " + shlex.join(RUNS[name]),
        "seed": seed,
        "accuracy": float(found[1]),
        "images": int(found[2].replace(",", "")),
        "training_s": round(training, 2),
        "program_s": round(seconds, 2),
        "files": files,
    }


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument("--runs", nargs="+", choices=RUNS, default=["lenet-digits"])
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options = arguments.parse_args()
    options.rounds = len(options.seeds)
    rows = []
    for name in options.runs:
        for seed in options.seeds:
            row = run(name, seed)
            rows.append(row)
            print(
                f"{row['command']} --seed {seed}: {row['accuracy']:.2f} %, "
                f"training {row['training_s']:.1f} s, program {row['program_s']:.1f} s",
                flush=True,
            )
    if options.json:
        harness.write_json(options, "accuracy", rows, None)


if __name__ == "__main__":
    main()
