"""The border of the CUDA room: dense copies, dtypes, and stacks too large for one launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.backends.contract import Array

__all__ = ["check_count", "check_floats", "check_same_size", "dense", "runs"]

# Kernels count pixels and outputs of one launch in 32 bits; offsets into memory have 64. A loop's last
# step and the rounding to whole tiles and parts go past the count, by less than 2^16.
MOST_ELEMENTS = 2**31 - 2**16


def dense(array: Array) -> Array:
    """The array itself where it is C-contiguous, else a dense copy of it on the device."""
    return cp.ascontiguousarray(array)


def check_floats(where: str, **arrays: Array | None) -> None:
    """Every array is on the GPU, all are float32 or all float64: else a TypeError names the first."""
    wanted = "float32 or float64"
    for name, array in arrays.items():
        if array is None:
            continue
        kind = f"{type(array).__name__} of {getattr(array, 'dtype', None)}"
        if not isinstance(array, cp.ndarray):
            raise TypeError(f"{where}: {name} must be a cupy array, got {kind}")
        if str(array.dtype) not in wanted.split(" or "):
            raise TypeError(f"{where}: {name} must be a {wanted} array, got {kind}")
        wanted = str(array.dtype)


def check_same_size(where: str, **arrays: Array | None) -> None:
    """Every array has the shape of the first: else a ValueError names one that has not."""
    shapes = {name: array.shape for name, array in arrays.items() if array is not None}
    first = next(iter(shapes))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise ValueError(f"{where}: {name} is {shape} but {first} is {shapes[first]}")


def check_count(where: str, what: str, elements: int) -> None:
    """A launch can count them: else a ValueError says what has so many."""
    if elements > MOST_ELEMENTS:
        raise ValueError(
            f"{where}: {what} has {elements} elements, but a kernel counts at most {MOST_ELEMENTS}"
        )


def runs(where: str, what: str, count: int, elements_each: int) -> Iterator[slice]:
    """Slices of `count` items such that a launch on one counts in 32 bits.

    ValueError where one item (`what`) has too many.
    """
    check_count(where, what, elements_each)
    most = MOST_ELEMENTS // max(1, elements_each)
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))
