"""Prints how the installed CuPy's functions and methods are called: ``cupy_signatures.txt``, anew.

``python tests/cuda_emulator/signatures.py > new.txt``. Names are those of the file that is there. CuPy
imports without a driver.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("cupy_signatures.txt")


def lines() -> list[str]:
    """The file's lines: ``function all a axis out keepdims``."""
    return FILE.read_text(encoding="utf-8").splitlines()


def read() -> dict[str, dict[str, list[str]]]:
    """For "function" and "method" the parameters by name; those of a ufunc are just "ufunc"."""
    found: dict[str, dict[str, list[str]]] = {"function": {}, "method": {}}
    for line in lines():
        kind, name, *parameters = line.split()
        found[kind][name] = parameters
    return found


def written(kind: str, name: str, owner: Any) -> str:
    """The line of CuPy's own function; "missing" for what it does not have."""
    for part in name.split("."):
        owner = getattr(owner, part, None)
    if owner is None:
        return f"{kind} {name} missing"
    if type(owner).__name__ == "ufunc":
        return f"{kind} {name} ufunc"
    try:
        parameters = [
            {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(p.kind.name, "") + p.name
            for p in _starred(inspect.signature(owner).parameters.values())
        ]
    except ValueError:  # a compiled method: the first line of its docstring says it
        text = re.search(r"\((.*?)\)( ->|$)", owner.__doc__.splitlines()[0])[1]
        parameters = [part.split("=")[0].split()[-1] for part in text.split(",")]
    return " ".join([kind, name, *[p for p in parameters if p != "self"]])


def _starred(parameters: Any) -> list[Any]:
    """The parameters, with a ``*`` before the first that goes by keyword alone."""
    out: list[Any] = []
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not any(
            q.kind.name.startswith(("VAR_P", "KEYWORD")) for q in out
        ):
            out.append(inspect.Parameter("_", p.VAR_POSITIONAL))
        out.append(p)
    return out


def main() -> None:
    import cupy

    for line in lines():
        kind, name = line.split()[:2]
        print(written(kind, name, cupy if kind == "function" else cupy.ndarray))


if __name__ == "__main__":
    main()
