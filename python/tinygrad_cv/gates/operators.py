"""Operators of gates' forward passes, with a shortcut for small arrays; NumPy's own otherwise."""

from __future__ import annotations

from tinygrad_cv.engine.shortcuts import shortcut


@shortcut
def add(a, b):
    """a + b."""
    return a + b


@shortcut
def subtract(a, b):
    """a - b."""
    return a - b


@shortcut
def multiply(a, b):
    """a b."""
    return a * b
