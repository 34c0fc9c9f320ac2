"""The command line: parses, calls the library, prints. One line and exit code 2 for a mistake."""

from __future__ import annotations

import os
import sys

from tinygrad_cv.optional import require


def main(arguments: list[str] | None = None) -> None:
    """Run the program ``tinygrad-cv``; exits with its code."""
    try:
        require("typer", extra="train")
        require("rich", extra="train")
    except ImportError as error:
        sys.exit(f"tinygrad-cv: {error}")
    from tinygrad_cv.cli.app import run

    # Wide enough for paths and results when nobody looks at a terminal.
    os.environ.setdefault("COLUMNS", "100") if not sys.stdout.isatty() else None
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
