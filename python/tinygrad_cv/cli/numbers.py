"""Lists of numbers as the command line takes them."""

from __future__ import annotations

import re


def numbers(option: str, text: str | None) -> int | list[int] | None:
    """One whole number, or a list of them.

    Raises
    ------
    ValueError
        Something else; the message names the option.

    Examples
    --------
    >>> numbers("--hidden", "100"), numbers("--hidden", "300,100")
    (100, [300, 100])
    """
    if text is None:
        return None
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", text):
        raise ValueError(f"{option}: expected a whole number or a list such as 32,64, got {text!r}")
    values = [int(part) for part in text.split(",")]
    return values if len(values) > 1 else values[0]
