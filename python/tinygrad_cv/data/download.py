"""Downloads into the user's cache: several mirrors, checksums, a progress bar.

Only what passed its checksum is ever handed on, so a half or a false file is never stored.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_cv.data.idx import gunzip
from tinygrad_cv.optional import require

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT = 20  # seconds without an answer or a byte before the next mirror is tried
CHUNK = 1 << 16


class Digest(NamedTuple):
    """A checksum, and of what: mirrors that repack a file keep only its unpacked content."""

    algorithm: str
    value: str
    unpacked: bool


def cache_folder(name: str) -> Path:
    """The folder of a data set in the user's cache; it need not exist."""
    return Path(require("pooch", extra="train").os_cache("tinygrad_cv")) / name


def download(urls: Sequence[str], digest: Digest) -> bytes:
    """Fetch a file from the first of its mirrors that gives what the checksum says.

    Parameters
    ----------
    urls : sequence of str
        Where the file is, best first.
    digest : Digest
        What the file must be.

    Returns
    -------
    bytes
        The file as it came, gzipped or not.

    Raises
    ------
    OSError
        No mirror gave the file; the message says for each what went wrong.
    """
    failures = []
    for url in urls:
        try:
            return _checked(_get(url), digest)
        except (OSError, ValueError) as error:  # noqa: PERF203
            failures.append(f"{url}: {_reason(error)}")
    raise OSError("; ".join(failures))


def _get(url: str) -> bytes:
    pooch = require("pooch", extra="train")
    buffer = io.BytesIO()
    with _Bar(url.rpartition("/")[2]) as bar:
        # Without compression on the way the bytes that arrive are the file's.
        get = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=CHUNK,
            timeout=TIMEOUT,
            headers={"Accept-Encoding": "identity"},
        )
        get(url, buffer, None)
    return buffer.getvalue()


def _checked(content: bytes, digest: Digest) -> bytes:
    hashed = gunzip(content, "the file") if digest.unpacked else content
    got = hashlib.new(digest.algorithm, hashed, usedforsecurity=False).hexdigest()
    if got != digest.value:
        raise ValueError(f"{digest.algorithm} {got[:12]}… instead of {digest.value[:12]}…")
    return content


def _reason(error: Exception) -> str:
    requests = require("requests", extra="train")
    if isinstance(error, requests.HTTPError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the transfer was cut"
    if isinstance(error, requests.Timeout):
        return f"no answer in {TIMEOUT} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)


class _Bar:
    """A rich progress bar with the methods that pooch calls; silent where stderr is no terminal."""

    def __init__(self, name: str) -> None:
        console = require("rich.console", extra="train").Console(stderr=True)
        rich = require("rich.progress", extra="train")
        self._progress: Any = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.DownloadColumn(),
            rich.TransferSpeedColumn(),
            rich.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    @property
    def total(self) -> int | None:
        """Bytes to come; None where the server does not say."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, count: int) -> None:
        self._progress.update(self._task, total=count or None)

    def update(self, count: int) -> None:
        """So many bytes more have come."""
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        """Back to the start: pooch then reports the whole size at once."""
        self._progress.reset(self._task, total=self.total)

    def close(self) -> None:
        """Nothing: the bar ends with its block."""
