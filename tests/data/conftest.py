"""What the tests of data sets share: real data where it is, and small false data sets."""

from __future__ import annotations

import http.server
import os
import threading

import numpy as np
import pytest

from tinygrad_cv.data.idx import write_idx


@pytest.fixture
def full_data():
    """The folder of the full MNIST and CIFAR-10."""
    return os.environ["TINYGRAD_CV_DATA"]  # without it the tests marked `data` are skipped


@pytest.fixture(autouse=True)
def no_data_nor_cache(request, monkeypatch, tmp_path):
    """No test but those marked `data` sees the data sets of this machine."""
    if request.node.get_closest_marker("data") is None:
        monkeypatch.delenv("TINYGRAD_CV_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def make_idx():
    """A function that writes four small files in MNIST's format, and returns their arrays."""

    def make(folder, suffix="", train=6, test=4):
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        arrays = {}
        for part, count in (("train", train), ("t10k", test)):
            arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
            arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count).astype(np.uint8)
        for name, array in arrays.items():
            write_idx(folder / f"{name}{suffix}", array)
        return arrays

    return make


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path; a path in `cut` ends its transfer half way."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.asked = {}, set(), []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path in self.server.cut else content)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()
