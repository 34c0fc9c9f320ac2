"""Nearest-neighbour libraries in a process of their own, called one request at a time.

Each brings an OpenMP runtime or a thread pool; in one process they would take the cores from each
other. Run as `python _opponents.py NAME THREADS`: reads requests as JSON lines, answers likewise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METRICS = {"l1": "manhattan", "l2": "euclidean"}


def _torch(threads: int) -> Callable[..., Any]:
    import torch

    torch.set_num_threads(threads)

    def call(op: str, x: Any, y: Any, metric: str, k: int) -> Any:
        rows = torch.cdist(
            torch.from_numpy(x), torch.from_numpy(y), p={"l1": 1.0, "l2": 2.0}[metric]
        )
        return rows if op == "pairwise" else rows.topk(k, largest=False).indices.numpy()

    return call


def _sklearn(threads: int) -> Callable[..., Any]:
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import NearestNeighbors

    def call(op: str, x: Any, y: Any, metric: str, k: int) -> Any:
        if op == "pairwise":
            return pairwise_distances(x, y, METRICS[metric], n_jobs=threads)
        finder = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=METRICS[metric])
        return finder.set_params(n_jobs=threads).fit(y).kneighbors(x, return_distance=False)

    return call


def _scipy(threads: int) -> Callable[..., Any]:
    from scipy.spatial.distance import cdist

    def call(op: str, x: Any, y: Any, metric: str, k: int) -> Any:
        rows = cdist(x, y, {"l1": "cityblock", "l2": "euclidean"}[metric])
        if op == "pairwise":
            return rows
        near = np.argpartition(rows, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(rows, near, 1).argsort(axis=1)
        return np.take_along_axis(near, order, 1)

    return call


def _faiss(threads: int) -> Callable[..., Any]:
    import faiss

    faiss.omp_set_num_threads(threads)

    def call(op: str, x: Any, y: Any, metric: str, k: int) -> Any:
        if op == "pairwise":
            kind = {"l1": faiss.METRIC_L1, "l2": faiss.METRIC_L2}[metric]
            return faiss.pairwise_distances(x, y, kind)
        index = (
            faiss.IndexFlatL2(x.shape[1])
            if metric == "l2"
            else faiss.IndexFlat(x.shape[1], faiss.METRIC_L1)
        )
        index.add(y)
        t0 = time.perf_counter()
        found = index.search(x, k)[1]
        return found, time.perf_counter() - t0  # an index is filled once, and searched often

    return call


LIBRARIES = {"torch": _torch, "sklearn": _sklearn, "scipy": _scipy, "faiss": _faiss}
MODULES = {"torch": "torch", "sklearn": "sklearn", "scipy": "scipy", "faiss": "faiss"}


class Opponent:
    """A library in a worker process."""

    def __init__(self, name: str, threads: int) -> None:
        # Threads that wait for work must sleep: we run in between.
        quiet = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [sys.executable, __file__, name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **quiet},
        )  # fmt: skip
        self.name, self.version = name, self._answer()

    def load(self, x: Path, y: Path) -> None:
        """Read both matrices from .npy files."""
        self._ask({"load": [str(x), str(y)]})

    def run(self, op: str, metric: str, k: int) -> tuple[float, list[list[int]]]:
        """Seconds of one call, and the neighbours of the first rows."""
        seconds, found = self._ask({"op": op, "metric": metric, "k": k})
        return seconds, found

    def close(self) -> None:
        """End the process."""
        self._pipe(self.process.stdin).close()
        self.process.wait()

    def _ask(self, request: dict[str, Any]) -> Any:
        stdin = self._pipe(self.process.stdin)
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self.name}: the worker process ended; its error is above")
        return json.loads(line)

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise RuntimeError("the worker has no pipe")
        return pipe


def serve(name: str, threads: int) -> None:
    """Answer requests until the input ends."""
    call = LIBRARIES[name](threads)
    print(json.dumps(sys.modules[MODULES[name]].__version__), flush=True)
    x = y = np.empty((0, 0), np.float32)
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            x, y = (np.load(path) for path in request["load"])
            answer: Any = None
        else:
            t0 = time.perf_counter()
            found = call(request["op"], x, y, request["metric"], request["k"])
            seconds = time.perf_counter() - t0
            if isinstance(found, tuple):
                found, seconds = found
            first = [] if request["op"] == "pairwise" else np.asarray(found)[:50].tolist()
            answer = [seconds, first]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
