"""A library in a process of its own, asked one request at a time.

Each brings an OpenMP runtime or a thread pool; in one process they would take the cores from each
other. Requests and answers are JSON lines; `serve` is the worker's side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Worker:
    """The process ``python SCRIPT NAME THREADS``, whose first answer is the library's version."""

    def __init__(self, script: str, name: str, threads: int) -> None:
        # Threads that wait for work must sleep: we run in between.
        quiet = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [sys.executable, script, name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **quiet},
        )  # fmt: skip
        self.name, self.version = name, self._answer()

    def ask(self, **request: Any) -> Any:
        """What the worker answers."""
        stdin = self._pipe(self.process.stdin)
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.communicate()

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


def serve(version: str, answer: Callable[..., Any]) -> None:
    """Answer requests until the input ends; `answer` takes a request's entries by name."""
    print(json.dumps(version), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
