"""Tests of gradients, for the built-in operations and for your own.

`gradcheck` and `gradgradcheck` need nothing but NumPy; the strategies (`arrays`,
`broadcastable_shapes`, `conv2d_settings`, `pool2d_settings`) load hypothesis on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.testing.gradients import (
    GradcheckError,
    GradcheckReport,
    gradcheck,
    gradgradcheck,
)

if TYPE_CHECKING:
    from tinygrad_cv.testing.strategies import (
        arrays,
        broadcastable_shapes,
        conv2d_settings,
        pool2d_settings,
    )

__all__ = [
    "GradcheckError",
    "GradcheckReport",
    "arrays",
    "broadcastable_shapes",
    "conv2d_settings",
    "gradcheck",
    "gradgradcheck",
    "pool2d_settings",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("tinygrad_cv.testing.strategies"), name)
    raise AttributeError(f"module 'tinygrad_cv.testing' has no attribute {name!r}")
