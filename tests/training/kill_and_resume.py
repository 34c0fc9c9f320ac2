"""Kill a training run again and again, and hold its weights to those of a run that nobody disturbed.

    python tests/training/kill_and_resume.py --kills 20 --seed 0

A network with batch normalisation and dropout learns the packed digits, augmented by a worker thread,
on a schedule, with a checkpoint every few steps. It is killed with SIGKILL at moments drawn by the
seed: while it starts, in a step, while a checkpoint is written. Each time the same command goes on,
with --resume added. In the end model.safetensors and the table of steps must be the same bytes.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tinygrad_cv.training.checkpoint import PATTERN, read_checkpoint

STEPS = 180  # of an epoch: 9,000 images, 50 a step
EVERY = 5  # steps from checkpoint to checkpoint
PATIENCE = 600  # seconds for a start to reach its moment


def command(folder: Path, epochs: int) -> list[str]:
    return [
        *(sys.executable, "-m", "tinygrad_cv", "train"),
        "INPUT -> [CONV -> BN -> RELU -> POOL]*2 -> DROPOUT -> FC",
        *("--data", "digits", "--filters", "4,8", "--dropout", "0.2", "--augment", "affine,erase"),
        *("--schedule", "onecycle", "--schedule-unit", "step", "--regularizer", "l2:1e-4"),
        *("--epochs", str(epochs), "--checkpoint-every", str(EVERY), "--log", "csv"),
        *("--out", str(folder)),
    ]


def newest_step(folder: Path) -> int:
    """Of the newest checkpoint; 0 where there is none."""
    names = [path.stem for path in (folder / "checkpoints").glob(PATTERN)]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


def killed(arguments: list[str], folder: Path, step: int, delay: float) -> bool:
    """Run until a checkpoint of that step is there, and `delay` seconds more; False if it ended."""
    with open(folder / "log.txt", "ab") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    deadline = time.monotonic() + PATIENCE
    while newest_step(folder) < step and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(delay)
    process.kill()
    return process.wait() == -signal.SIGKILL


def finished(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


def drive(kills: int, seed: int, epochs: int, root: Path) -> bool:
    """Whether the broken run ends with the bytes of the whole one."""
    whole, broken = root / "whole", root / "broken"
    broken.mkdir(parents=True)
    finished(command(whole, epochs))
    rng = np.random.default_rng(seed)
    moments = sorted(rng.integers(0, epochs * STEPS - 2 * EVERY, kills).tolist())
    for number, step in enumerate(moments, start=1):
        arguments = [*command(broken, epochs), *(["--resume"] if number > 1 else [])]
        # A start takes a second or so before its first step: moments before that are drawn too.
        if not killed(arguments, broken, step, rng.uniform(0, 2.0 if number % 4 == 0 else 0.1)):
            sys.exit(f"kill {number}: the run had ended; see {broken / 'log.txt'}")
        left = newest_step(broken)
        if left:
            read_checkpoint(broken / "checkpoints" / f"step-{left:08d}.safetensors")
        print(f"kill {number}/{kills}: wanted step {step}, newest checkpoint {left}", flush=True)
    finished([*command(broken, epochs), "--resume"])
    same = True
    for name in ("model.safetensors", "steps.csv"):
        contents = [(folder / name).read_bytes() for folder in (whole, broken)]
        equal = contents[0] == contents[1]
        print(f"{name}: {len(contents[0]):,} bytes, {'equal' if equal else 'DIFFERENT'}")
        same = same and equal
    left_over = list(broken.rglob(".tmp-*"))
    print(f"half-written files left: {len(left_over)}")
    return same and not left_over


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, help="how often (20)")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (0)")
    parser.add_argument("--epochs", type=int, default=3, help="of the run, 180 steps each (3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not drive(options.kills, options.seed, options.epochs, Path(folder)):
            sys.exit(1)


if __name__ == "__main__":
    main()
