"""Files are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tinygrad_cv.files import atomic_write


def test_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "curve.png"
    path.write_text("old")
    with atomic_write(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["curve.png"]


def write_half(path, error):
    """Start to write a file and fail."""
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_atomic_write_keeps_the_old_file_when_the_block_fails(tmp_path, error):
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_atomic_write_syncs_the_content_before_it_renames(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def watched_replace(source, target):
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    with atomic_write(tmp_path / "model") as temporary:
        temporary.write_text("new")
    assert events[1] == "rename"
    assert len(events) == 3
    if os.path.isdir("/proc/self/fd"):
        assert events == ["file", "rename", "folder"]


def test_atomic_write_follows_a_link(tmp_path):
    path, link = tmp_path / "real", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(path)
    with atomic_write(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_atomic_write_names_the_file_when_its_folder_is_missing(tmp_path):
    path = tmp_path / "missing" / "model"
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path) as temporary:
        temporary.write_text("new")
    assert caught.value.filename == str(path)


def test_atomic_write_refuses_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, not a file"):
        write_half(tmp_path, RuntimeError)
    assert os.listdir(tmp_path) == []


def test_atomic_write_names_the_file_when_the_disk_is_full(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(OSError, match="model") as caught:
        write_half(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_atomic_write_passes_on_errors_of_other_files(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_half(tmp_path / "model", FileNotFoundError(errno.ENOENT, "no such file", "other"))
    assert caught.value.filename == "other"


def test_atomic_write_names_the_file_when_its_folder_is_read_only(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    path = tmp_path / "model"
    with pytest.raises(OSError, match="Read-only") as caught, atomic_write(path) as temporary:
        temporary.write_text("new")
    assert caught.value.filename == str(path)
