"""Whole files or none: written under a temporary name, synced to disk, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes `path` when the block ends without an error.

    Whatever happens, a kill or a full disk included, `path` then holds either the whole new
    content or what it held before. The temporary file lies in the same folder, under a hidden
    name that keeps the suffix.

    Parameters
    ----------
    path : path-like
        The file to make or replace. Its folder must exist; a link is followed.

    Yields
    ------
    Path
        Where to write. The file must exist when the block ends.

    Raises
    ------
    OSError
        What the operating system refuses (no such folder, no permission, no space), always with
        `path` as its file name.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_write(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".tmp-{secrets.token_hex(4)}-{target.name}")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
        yield temporary
        _sync(temporary)
        os.replace(temporary, target)
        with suppress(OSError):  # some network file systems sync no folders
            _sync(target.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # a read-only folder refuses this as well, under the hidden name
            temporary.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
