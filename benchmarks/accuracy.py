"""Train networks from the command line over several seeds and record test accuracy and time.

Each run is `tinygrad-cv train …` in a process of its own, as a user starts it. With --json the
result can be committed to benchmarks/results, from which report.py fills the README's table. With
--keep FOLDER the row of a finished run is kept there and the run is not repeated: a table that takes
hours can be stopped and gone on with.
"""

from __future__ import annotations

import json
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
    "lenet-mnist-augmented": [
        *["train", "lenet", "--data", "mnist", "--batch-size", "250", "--epochs", "30"],
        *["--lr", "0.1", *ONE_CYCLE, "--augment", "affine:10"],
    ],
    "convnet-cifar10-augmented": [
        *["train", "INPUT -> [[CONV -> BN -> RELU]*2 -> POOL]*3 -> FC", "--filters", "32,64,128"],
        *["--data", "cifar10", "--batch-size", "100", "--epochs", "20", "--lr", "0.1"],
        *[*ONE_CYCLE, "--augment", "crop:4,flip"],
    ],
}
LAST_LINE = re.compile(r"test accuracy ([\d.]+) % \(([\d,]+) images\)")
EPOCH_SECONDS = re.compile(r"^epoch .* ([\d.]+) s, ", re.M)


def run(name: str, seed: int) -> dict[str, Any]:
    """One training run, its lines shown as they come: the row of it."""
    arguments = [*RUNS[name], "--seed", str(seed)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", "-m", "tinygrad_cv", *arguments, "--out", folder]
        t0 = time.perf_counter()
        lines = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                print(line, end="", file=sys.stderr, flush=True)
                lines.append(line)
        seconds = time.perf_counter() - t0
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} failed")
    return {**row_of(name, seed, "".join(lines)), "program_s": round(seconds, 2)}


def row_of(name: str, seed: int, printed: str) -> dict[str, Any]:
    """What a run printed, as a row: accuracy in percent, seconds of training."""
    found = LAST_LINE.search(printed)
    if not found:
        raise SystemExit(f"{name}, seed {seed} printed no test accuracy")
    training = sum(float(s) for s in EPOCH_SECONDS.findall(printed))
    return {
        "name": name,
        "command": "tinygrad-cv " + shlex.join(RUNS[name]),
        "seed": seed,
        "accuracy": float(found[1]),
        "images": int(found[2].replace(",", "")),
        "training_s": round(training, 2),
    }


def kept(keep: Path | None, name: str, seed: int) -> dict[str, Any]:
    """The row of a run that was made before, or of one that is made now and kept."""
    path = keep and keep / f"{name}-{seed}.json"
    if path and path.exists():
        row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return row
    row = run(name, seed)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row), encoding="utf-8")
    return row


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument("--runs", nargs="+", choices=RUNS, default=["lenet-digits"])
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    arguments.add_argument("--keep", type=Path, help="folder for the rows of finished runs")
    options = arguments.parse_args()
    options.rounds = len(options.seeds)
    rows = []
    for name in options.runs:
        for seed in options.seeds:
            row = kept(options.keep, name, seed)
            rows.append(row)
            print(
                f"{row['command']} --seed {seed}: {row['accuracy']:.2f} %, "
                f"training {row['training_s']:.1f} s",
                flush=True,
            )
    if options.json:
        harness.write_json(options, "accuracy", rows, None)


if __name__ == "__main__":
    main()
