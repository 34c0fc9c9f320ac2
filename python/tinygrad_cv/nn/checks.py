"""Checks of the arguments that layers are made with."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_at_least(where: str, least: int, **sizes: Any) -> None:
    """Every argument must be an int of at least `least`.

    Raises
    ------
    TypeError
        Something that is no int.
    ValueError
        A smaller int.
    """
    for name, value in sizes.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise TypeError(f"{where}: {name} must be an int, got {value!r}")
        if value < least:
            raise ValueError(f"{where}: {name} must be at least {least}, got {value}")
