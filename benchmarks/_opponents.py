"""Nearest-neighbour libraries, each in a process of its own: ``python _opponents.py NAME THREADS``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from _worker import Worker, serve

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


class Opponent(Worker):
    """A library that searches."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(__file__, name, threads)

    def load(self, x: Path, y: Path) -> None:
        """Read both matrices from .npy files."""
        self.ask(load=[str(x), str(y)])

    def run(self, op: str, metric: str, k: int) -> tuple[float, list[list[int]]]:
        """Seconds of one call, and the neighbours of the first rows."""
        seconds, found = self.ask(op=op, metric=metric, k=k)
        return seconds, found


class Searcher:
    """The worker's side: the library and the two matrices."""

    def __init__(self, name: str, threads: int) -> None:
        self.call = LIBRARIES[name](threads)
        self.version = sys.modules[MODULES[name]].__version__
        self.matrices: list[Any] = []

    def answer(
        self, load: list[str] | None = None, op: str = "", metric: str = "", k: int = 0
    ) -> Any:
        if load is not None:
            self.matrices = [np.load(path) for path in load]
            return None
        t0 = time.perf_counter()
        found = self.call(op, *self.matrices, metric, k)
        seconds = time.perf_counter() - t0
        if isinstance(found, tuple):
            found, seconds = found
        return seconds, [] if op == "pairwise" else np.asarray(found)[:50].tolist()


if __name__ == "__main__":
    searcher = Searcher(sys.argv[1], int(sys.argv[2]))
    serve(searcher.version, searcher.answer)
