"""The CUDA sources that the package ships: their text, and the kernels in them. Needs no CuPy."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cv import _core

__all__ = ["FOLDER", "Kernel", "Parameter", "kernels", "source", "stems"]

FOLDER = Path(_core.__file__).parent / "cuda_kernels"  # where CMake installs csrc/cuda

_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
_MACRO = re.compile(r"^#define (\w+) ((?:.*\\\n)*.*)$", re.MULTILINE)
_ENTRY = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+__launch_bounds__\((\d+)(?:, \d+)?\)\s*(\w+)\s*\(([^)]*)\)'
)
_DTYPES = {
    "float": np.float32,
    "double": np.float64,
    "int": np.int32,
    "long long": np.int64,
    "unsigned int": np.uint32,
    "unsigned char": np.uint8,
}


class Parameter(NamedTuple):
    """One parameter of a kernel."""

    name: str
    dtype: np.dtype[Any]
    is_pointer: bool


class Kernel(NamedTuple):
    """An entry point: what its source says of it."""

    name: str
    block: int  # threads, from __launch_bounds__
    parameters: tuple[Parameter, ...]


def stems() -> list[str]:
    """Names of the sources, without their ending."""
    return sorted(file.stem for file in FOLDER.glob("*.cu"))


@cache
def source(stem: str) -> str:
    """The text of a source with its headers in the place of their `#include` lines."""
    seen: set[str] = set()

    def header(match: re.Match[str]) -> str:
        name = match[1]
        if name in seen:
            return ""
        seen.add(name)
        text = (FOLDER / name).read_text(encoding="utf-8").replace("#pragma once\n", "")
        return _INCLUDE.sub(header, text)

    return _INCLUDE.sub(header, (FOLDER / f"{stem}.cu").read_text(encoding="utf-8"))


@cache
def kernels(stem: str) -> dict[str, Kernel]:
    """The entry points of a source by name."""
    text = source(stem)
    macros = {name: body.replace("\\\n", " ") for name, body in _MACRO.findall(text)}
    found = {}
    for block, name, parameters in _ENTRY.findall(text):
        for macro, body in macros.items():
            parameters = re.sub(rf"\b{macro}\b", body, parameters)
        found[name] = Kernel(name, int(block), tuple(map(_parameter, parameters.split(","))))
    return found


def _parameter(text: str) -> Parameter:
    """Reads ``const float* __restrict__ x`` or ``long long n``."""
    words = text.replace("*", " * ").split()
    kind = " ".join(w for w in words[:-1] if w not in ("const", "*", "__restrict__"))
    return Parameter(words[-1], np.dtype(_DTYPES[kind]), "*" in words)
