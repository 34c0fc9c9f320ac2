"""Where a data set's files lie: a folder that the user names, a variable, or the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VARIABLE = "TINYGRAD_CV_DATA"


def find(
    root: str | os.PathLike[str], folders: Iterable[str], names: tuple[str, ...]
) -> Path | None:
    """The first of `folders` below `root` that holds one of the files `names`."""
    for folder in folders:
        path = Path(root).expanduser() / folder
        if any((path / name).is_file() for name in names):
            return path
    return None


def locate(
    where: str,
    root: str | os.PathLike[str] | None,
    folders: tuple[str, ...],
    names: tuple[str, ...],
    suffixes: tuple[str, ...],
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
        Files of which the folder has at least one, with one of `suffixes`.
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
        variants = tuple(name + suffix for name in names for suffix in suffixes)
        found = find(given, folders, variants)
        if found is not None:
            return found
        if root is not None:
            wanted = " or ".join(names[0] + suffix for suffix in suffixes)
            below = ", ".join(dict.fromkeys(folder for folder in folders if folder))
            raise FileNotFoundError(
                f"{where}: no {wanted} in {str(given)!r} nor in its folders {below}"
            )
    return cached()
