"""The one rule for arrays that are not dense: they are copied once, at the border."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import _core

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["dense"]


@_core.shortcut
def dense(array: Array) -> Array:
    """The array itself where it is C-contiguous and aligned, else a dense copy of it."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else array.copy()
