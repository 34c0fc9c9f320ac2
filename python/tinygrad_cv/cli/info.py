"""``tinygrad-cv info``: what this build and machine have."""

from __future__ import annotations

import typer


def info() -> None:
    """Show versions, the instruction set in use, threads, and whether CuPy and a GPU are there."""
    from tinygrad_cv.config import config

    for name, value in config().items():
        typer.echo(f"{name:16s} {value}")
