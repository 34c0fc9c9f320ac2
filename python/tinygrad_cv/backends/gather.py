"""Puts the functions of a room's family files under one name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from tinygrad_cv.backends.contract import Backend


class Room:
    """A room: the contract's functions as attributes, taken from the files of one package."""

    def __init__(self, name: str, package: str, path: list[str]) -> None:
        self.name = name
        for file in iter_modules(path):
            family = import_module(f"{package}.{file.name}")
            for function in vars(Backend).keys() & vars(family).keys():
                if not function.startswith("_"):
                    setattr(self, function, getattr(family, function))

    def __getattr__(self, function: str) -> Any:
        raise AttributeError(f"backends: the {self.name!r} room has no function {function!r}")
