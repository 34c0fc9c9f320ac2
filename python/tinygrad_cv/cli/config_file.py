"""Options from a YAML or TOML file: what the command line does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from tinygrad_cv.optional import require


def read(context: typer.Context, path: Path | None) -> Path | None:
    """Take the file's options as the defaults of this command; a typer callback.

    Raises
    ------
    ValueError
        A file of another kind, one that is not a table, or an option that the command does not have.
    """
    if path is None:
        return None
    known = {parameter.name for parameter in context.command.params} - {"config"}
    given: dict[str, Any] = {}
    for name, value in _table(path).items():
        option = str(name).replace("-", "_")
        if option not in known:
            raise ValueError(
                f"--config: {path} has {name!r}, but {context.command.name} has no such option"
            )
        given[option] = ",".join(map(str, value)) if _is_list_of_numbers(value) else value
    context.default_map = {**(context.default_map or {}), **given}
    return path


def _table(path: Path) -> dict[str, Any]:
    if path.suffix == ".toml":
        try:
            toml = require("tomllib", extra="train")
        except ImportError:  # Python 3.10
            toml = require("tomli", extra="train")
        error: type[Exception] = toml.TOMLDecodeError
        load = toml.loads
    elif path.suffix in (".yaml", ".yml"):
        yaml = require("yaml", extra="train")
        error, load = yaml.YAMLError, yaml.safe_load
    else:
        raise ValueError(f"--config: expected a .yaml, .yml or .toml file, got {path}")
    try:
        table = load(path.read_text(encoding="utf-8"))
    except (error, UnicodeDecodeError) as broken:
        raise ValueError(f"--config: {path}: {broken}") from broken
    if not isinstance(table, dict):
        raise ValueError(f"--config: {path} must hold names and values, got {type(table).__name__}")
    return table


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, (int, float)) for v in value)
