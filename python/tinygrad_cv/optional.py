"""Optional packages: imported where they are used, with an error that says what to install."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, *, extra: str) -> Any:
    """Import an optional package.

    Parameters
    ----------
    module : str
        Name to import, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of this project that brings it.

    Raises
    ------
    ImportError
        The package is missing; the message names the command that installs it.

    Examples
    --------
    >>> require("json", extra="train").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f'{package} is not installed: pip install "tinygrad-cv[{extra}]"'
        ) from error
