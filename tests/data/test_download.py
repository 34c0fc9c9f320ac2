"""Downloads, against a server on this machine: mirrors, checksums, cut transfers, the cache."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading

import numpy as np
import pytest

from tinygrad_cv.data import mnist
from tinygrad_cv.data.download import Digest, download

DEAD = "http://127.0.0.1:9/"  # the discard port: nothing listens
NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]


def sha256(content):
    return Digest("sha256", hashlib.sha256(content).hexdigest(), unpacked=True)


CONTENT = bytes(range(256)) * 1000


def test_download_checks_the_unpacked_content(server):
    server.files["/x.gz"] = gzip.compress(CONTENT)
    assert download([server.url + "x.gz"], sha256(CONTENT)) == server.files["/x.gz"]


def test_download_checks_the_packed_content(server):
    server.files["/x.gz"] = packed = gzip.compress(CONTENT)
    digest = Digest("md5", hashlib.md5(packed).hexdigest(), unpacked=False)
    assert download([server.url + "x.gz"], digest) == packed


@pytest.mark.parametrize("first", ["dead", "missing", "cut", "false", "damaged"])
def test_download_goes_on_to_the_second_mirror(server, first):
    server.files["/good"] = server.files["/cut"] = gzip.compress(CONTENT)
    server.files["/false"] = gzip.compress(CONTENT[1:])
    server.files["/damaged"] = gzip.compress(CONTENT)[:-4] + b"abcd"
    server.cut.add("/cut")
    urls = [DEAD if first == "dead" else server.url + first, server.url + "good"]
    assert gzip.decompress(download(urls, sha256(CONTENT))) == CONTENT
    assert server.asked[-1] == "/good"


def test_download_asks_no_mirror_after_a_good_one(server):
    server.files["/good"] = CONTENT
    download([server.url + "good", server.url + "other"], sha256(CONTENT))
    assert server.asked == ["/good"]


def test_download_says_what_was_wrong_with_each_mirror(server):
    server.files["/cut"], server.files["/false"] = CONTENT, b"<html>"
    server.cut.add("/cut")
    urls = [DEAD, *(server.url + name for name in ("missing", "cut", "false"))]
    with pytest.raises(OSError) as caught:
        download(urls, sha256(CONTENT))
    got, want = hashlib.sha256(b"<html>").hexdigest(), hashlib.sha256(CONTENT).hexdigest()
    assert str(caught.value) == "; ".join(
        [
            f"{DEAD}: no connection",
            f"{server.url}missing: HTTP 404",
            f"{server.url}cut: the transfer was cut",
            f"{server.url}false: sha256 {got[:12]}… instead of {want[:12]}…",
        ]
    )


def test_download_says_that_no_answer_came(server, monkeypatch):
    monkeypatch.setitem(download.__globals__, "TIMEOUT", 0.05)
    release = threading.Event()
    handler = server.RequestHandlerClass
    monkeypatch.setattr(handler, "do_GET", lambda handler: release.wait(5))
    with pytest.raises(OSError, match=r"x: no answer in 0\.05 s"):
        download([server.url + "x"], sha256(CONTENT))
    release.set()


@pytest.mark.parametrize("terminal", [True, False])
def test_download_shows_a_bar_on_a_terminal_only(server, monkeypatch, capfd, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    server.files["/digits.gz"] = CONTENT
    download([server.url + "digits.gz"], sha256(CONTENT))
    shown = capfd.readouterr()
    assert shown.out == ""
    assert ("digits.gz" in shown.err) == terminal
    assert ("256.0/256.0 kB" in shown.err) == terminal


@pytest.fixture
def false_mnist(monkeypatch, tmp_path, make_idx):
    """MNIST's name for four small files: a function takes the mirrors, and returns the files."""
    make_idx(tmp_path / "source")
    files = {path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()}

    def set_mirrors(*mirrors):
        digests = {name: sha256(content) for name, content in files.items()}
        source = mnist.__globals__["MNIST"]
        small = source._replace(mirrors=mirrors, digests=digests)
        monkeypatch.setitem(mnist.__globals__, "MNIST", small)
        return files

    return set_mirrors


def cached(tmp_path):
    folder = tmp_path / "cache" / "tinygrad_cv" / "mnist"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def test_mnist_downloads_once_into_the_cache(server, false_mnist, tmp_path):
    files = false_mnist(DEAD, server.url)
    server.files = {f"/{name}.gz": gzip.compress(content) for name, content in files.items()}
    images = np.frombuffer(files[NAMES[0]], np.uint8, offset=16).reshape(6, 1, 28, 28)
    for _ in range(2):
        np.testing.assert_array_equal(mnist().images, images)
    assert server.asked == [f"/{name}.gz" for name in NAMES]
    assert cached(tmp_path) == NAMES


def test_mnist_prefers_the_variable_to_a_download(server, false_mnist, tmp_path, monkeypatch):
    false_mnist(server.url)
    monkeypatch.setenv("TINYGRAD_CV_DATA", str(tmp_path / "source"))
    assert len(mnist()) == 6
    assert server.asked == []


def test_mnist_downloads_where_the_variable_names_other_data(
    server, false_mnist, tmp_path, monkeypatch
):
    files = false_mnist(server.url)
    server.files = {f"/{name}.gz": gzip.compress(content) for name, content in files.items()}
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("TINYGRAD_CV_DATA", str(tmp_path / "other"))
    assert len(mnist()) == 6
    assert cached(tmp_path) == NAMES


@pytest.mark.parametrize("fault", ["false", "cut"])
def test_mnist_stores_nothing_that_failed(server, false_mnist, tmp_path, fault):
    files = false_mnist(server.url)
    server.files = {f"/{name}.gz": gzip.compress(content) for name, content in files.items()}
    path = f"/{NAMES[0]}.gz"
    if fault == "cut":
        server.cut.add(path)
    else:
        server.files[path] = gzip.compress(files[NAMES[0]] + b"x")
    with pytest.raises(FileNotFoundError, match=NAMES[0]):
        mnist()
    assert cached(tmp_path) == []


def test_mnist_offline_says_what_to_put_where(false_mnist, tmp_path, make_idx):
    false_mnist(DEAD, DEAD)
    folder = tmp_path / "cache" / "tinygrad_cv" / "mnist"
    with pytest.raises(FileNotFoundError) as caught:
        mnist()
    message = str(caught.value)
    assert message.startswith(
        "mnist: train-images-idx3-ubyte is not here and could not be downloaded "
        f"({DEAD}train-images-idx3-ubyte.gz: no connection; "
    )
    assert message.endswith(
        "put the four files train-images-idx3-ubyte, t10k-images-idx3-ubyte, "
        "train-labels-idx1-ubyte, t10k-labels-idx1-ubyte (or .gz) "
        f"into {folder}, or name their folder as root or in TINYGRAD_CV_DATA"
    )
    make_idx(folder, ".gz")  # who does so has it
    assert len(mnist()) == 6


@pytest.mark.network
@pytest.mark.parametrize("mirror", mnist.__globals__["MNIST"].mirrors)
def test_mirrors_that_answer_have_the_real_files(mirror):
    name = "t10k-labels-idx1-ubyte"
    try:
        packed = download([f"{mirror}{name}.gz"], mnist.__globals__["MNIST"].digests[name])
    except OSError as error:
        if "instead of" in str(error):
            raise
        pytest.skip(str(error))
    assert len(gzip.decompress(packed)) == 10_008
