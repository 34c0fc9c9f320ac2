"""GPUs and their memory, through CuPy, which is imported when one of these is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["device_count", "moved", "require_gpu"]

_INSTALL = 'pip install "tinygrad-cv[cuda13]" (or [cuda12] for an older driver)'


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(f"CuPy is not installed: {_INSTALL}") from error
    return cupy


def device_count() -> int:
    """How many GPUs CuPy can use; 0 without CuPy or without a driver."""
    try:
        cupy = _cupy()
        return int(cupy.cuda.runtime.getDeviceCount())
    except RuntimeError:  # CuPy's own errors of the driver are RuntimeErrors
        return 0


def require_gpu(name: str, index: int | None) -> Any:
    """CuPy, if the GPU `index` (None: the current one) can be used.

    Raises
    ------
    RuntimeError
        No CuPy, no driver, no GPU, or none of that number; the message says what to do.
    """
    try:
        cupy = _cupy()
    except RuntimeError as error:
        raise RuntimeError(f"device {name!r}: {error}") from error
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except RuntimeError as error:
        raise RuntimeError(
            f"device {name!r}: {str(error).partition(chr(10))[0]}; install NVIDIA's driver, or the "
            f"CuPy that fits it: {_INSTALL}"
        ) from error
    if (index or 0) >= count:
        there = "no GPU" if count == 0 else "only 'cuda:0'" if count == 1 else f"{count} GPUs"
        raise RuntimeError(f"device {name!r}: this machine has {there}")
    return cupy


def moved(array: Array, name: str, index: int | None) -> Array:
    """The array on the GPU `index`; itself if it is there already.

    Raises
    ------
    RuntimeError
        As `require_gpu`.
    """
    cupy = require_gpu(name, index)
    if not isinstance(array, np.ndarray) and index in (None, array.device.id):
        return array
    with cupy.cuda.Device(index):
        return cupy.array(array, order="C")
