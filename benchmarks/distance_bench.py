"""Time pairwise distances and the search of the k nearest rows beside other libraries.

Rows are images: CIFAR-10 where TINYGRAD_CV_DATA names it, else random. uint8 rows are compared as
bytes by us; the others, which know no bytes, get the same values as float32. float32 rows are pixels
with mean and deviation of each feature taken out. Per row of the table: our median time, and how many
times longer each library takes. PyTorch is cdist, with topk for the search; scikit-learn brute force;
faiss an IndexFlat, whose filling is not timed; SciPy cdist, on one thread. Each runs in a process of
its own, in turn with ours, round by round; neighbours are compared first.
"""

from __future__ import annotations

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _harness as harness
import numpy as np
from _opponents import LIBRARIES, Opponent

import tinygrad_cv as tg
from tinygrad_cv.backends import backend_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNELS = {"l1": "l1", "l2": "sqeuclidean"}
K = 5
SLOW, VERY_SLOW = 1.0, 8.0  # seconds: then three rounds, or one


def images(count: int, seed: int) -> NDArray[np.uint8]:
    """Rows of 3,072 bytes."""
    try:
        rows = tg.data.cifar10(train=bool(seed)).arrays()[0]
    except (FileNotFoundError, OSError):
        rows = np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
    if len(rows) < count:
        raise SystemExit(f"there are {len(rows):,} such rows, asked for {count:,}")
    return np.ascontiguousarray(rows[:count])


def as_floats(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both without y's mean, divided by its deviation."""
    mean, deviation = y.mean(axis=0, dtype=np.float64), y.std(axis=0, dtype=np.float64) + 1e-6
    return tuple(((rows - mean) / deviation).astype(np.float32) for rows in (x, y))  # type: ignore[return-value]


def ours(op: str, x: NDArray[Any], y: NDArray[Any], metric: str) -> Any:
    room = backend_for(x)
    if op == "pairwise":
        return room.pairwise_distance(x, y, KERNELS[metric])
    return room.nearest(x, y, K, KERNELS[metric])[1]


def bench(
    op: str, metric: str, dtype: str, x: NDArray[Any], y: NDArray[Any],
    opponents: list[Opponent], rounds: int,
) -> dict[str, Any]:  # fmt: skip
    """One row: seconds of every round for us and each opponent."""
    first = ours(op, x, y, metric)[:50].tolist()
    times: dict[str, list[float]] = {"ours": []}
    todo = {}
    for opponent in opponents:
        seconds, found = opponent.run(op, metric, K)
        if op == "nearest":
            same = np.mean([a == b for a, b in zip(first, found, strict=True)])
            if same < 0.95:
                raise SystemExit(f"{opponent.name} finds other neighbours ({same:.0%} the same)")
        times[opponent.name] = [] if seconds < VERY_SLOW else [seconds]
        todo[opponent.name] = 0 if seconds > VERY_SLOW else 3 if seconds > SLOW else rounds
    for _ in range(rounds):
        t0 = time.perf_counter()
        ours(op, x, y, metric)
        times["ours"].append(time.perf_counter() - t0)
        for opponent in opponents:
            if todo[opponent.name] > 0:
                todo[opponent.name] -= 1
                times[opponent.name].append(opponent.run(op, metric, K)[0])
    return {
        "name": f"{len(x)}x{len(y)}", "op": op, "metric": metric, "dtype": dtype, "k": K,
        "pairs": len(x) * len(y) * x.shape[1], "seconds": times,
        "libraries": {opponent.name: opponent.version for opponent in opponents},
    }  # fmt: skip


def show(row: dict[str, Any], names: list[str]) -> None:
    mine = harness.median(row["seconds"]["ours"])
    line = f"{row['name']:14s} {row['op']:9s} {row['metric']:3s} {row['dtype']:8s}"
    line += f" {1e3 * mine:9.1f} {row['pairs'] / mine / 1e9:8.0f}"
    for name in names:
        taken = row["seconds"].get(name)
        line += f" {harness.median(taken) / mine:8.1f}" if taken else f" {'-':>8s}"
    print(line, flush=True)


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument(
        "--shapes", nargs="+", default=["500x5000", "1000x10000"], metavar="NxM",
        help="queries x rows (500x5000 1000x10000)",
    )  # fmt: skip
    arguments.add_argument("--against", nargs="*", default=None, help="libraries (all installed)")
    arguments.add_argument("--ops", nargs="+", default=["nearest", "pairwise"])
    arguments.set_defaults(no_torch=True)  # it runs in a worker here
    options = arguments.parse_args()
    if options.quick:
        options.rounds, options.shapes = min(options.rounds, 3), options.shapes[:1]
    harness.start(options)
    asked = LIBRARIES if options.against is None else options.against
    names = [name for name in asked if find_spec(name) is not None]
    opponents = [Opponent(name, tg.get_num_threads()) for name in names]
    info = harness.machine()
    print(
        f"{info['cpu']}, {tg.get_num_threads()} threads, {info['isa']}, "
        f"{', '.join(f'{o.name} {o.version}' for o in opponents)}"
    )
    print(
        f"{'shape':14s} {'op':9s} {'':3s} {'rows':8s} {'ms':>9s} {'Gpair/s':>8s}"
        + "".join(f" {name:>8s}" for name in names)
    )
    rows = []
    for shape in options.shapes:
        n, m = (int(part) for part in shape.split("x"))
        bytes_of = images(n, 0), images(m, 1)
        for dtype, (x, y) in {"uint8": bytes_of, "float32": as_floats(*bytes_of)}.items():
            with tempfile.TemporaryDirectory() as folder:
                files = [Path(folder) / "x.npy", Path(folder) / "y.npy"]
                for file, matrix in zip(files, (x, y), strict=True):
                    np.save(file, matrix.astype(np.float32))
                for opponent in opponents:
                    opponent.load(*files)
            for op in options.ops:
                for metric in KERNELS:
                    row = bench(op, metric, dtype, x, y, opponents, options.rounds)
                    show(row, names)
                    rows.append(row)
    for opponent in opponents:
        opponent.close()
    if options.json:
        harness.write_json(options, "distance", rows, None)


if __name__ == "__main__":
    main()
