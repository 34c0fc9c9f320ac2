"""Where a data set's files lie: a folder that the user names, a variable, or the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VARIABLE = "TINYGRAD_CV_DATA"


def find(root: str | os.PathLike[str], folders: Iterable[str], names: Iterable[str]) -> Path | None:
    """The first of `folders` below `root` that holds one of the files `names`, gzipped or not."""
    wanted = [variant for name in names for variant in (name, f"{name}.gz")]
    for folder in folders:
        path = Path(root).expanduser() / folder
        if any((path / name).is_file() for name in wanted):
            return path
    return None


def locate(
    where: str,
    root: str | os.PathLike[str] | None,
    folders: tuple[str, ...],
    names: tuple[str, ...],
    cached: Callable[[], Path],
) -> Path:
    """The folder of a data set's files.

    Parameters
    ----------
    where : str
        The data set, for messages.
    root : path-like or None
        The only place to look; None stands for the variable TINYGRAD_CV_DATA, and then the cache.
    folders : tuple of str
        Folders below the root, in the order to look.
    names : tuple of str
        Files of which the folder has at least one.
    cached : callable
        Gives the cache's folder, filling it first if need be.

    Raises
    ------
    FileNotFoundError
        Nothing in `root`, or no such folder; the message says what to put where.
    """
    given = root if root is not None else os.environ.get(VARIABLE) or None
    if given is not None:
        if not Path(given).expanduser().is_dir():
            name = "root" if root is not None else VARIABLE
            raise FileNotFoundError(f"{where}: {name} is {str(given)!r}, which is not a folder")
        found = find(given, folders, names)
        if found is not None:
            return found
        if root is not None:
            raise FileNotFoundError(
                f"{where}: no {' or '.join(names)} in {str(given)!r} "
                f"nor in its folders {', '.join(f for f in folders if f)}"
            )
    return cached()
