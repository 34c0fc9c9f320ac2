"""Random numbers by counting: any of them can be drawn again, in any order, from a key alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["uniforms", "words"]

_FACTORS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_STEPS = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def words(counters: Array, key: int) -> Array:
    """Philox 4x32-10: four words of 32 bits (N, 4) for each counter (N,) of 64.

    References
    ----------
    Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    counters = np.asarray(counters, np.uint64)
    x = [counters & _LOW, counters >> _HALF, np.zeros_like(counters), np.zeros_like(counters)]
    for turn in range(10):
        k0, k1 = (
            np.uint64(((key >> shift) + turn * step) & 0xFFFFFFFF)
            for shift, step in zip((0, 32), _STEPS, strict=True)
        )
        a, b = _FACTORS[0] * x[0], _FACTORS[1] * x[2]
        x = [(b >> _HALF) ^ x[1] ^ k0, b & _LOW, (a >> _HALF) ^ x[3] ^ k1, a & _LOW]
    return np.stack(x, axis=-1).astype(np.uint32)


def uniforms(key: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """Numbers in [0, 1), multiples of 2^-24: of a word its upper 24 bits, words in row order.

    Parameters
    ----------
    key : int
        0 to 2^64 - 1.
    shape : tuple of int
    dtype : float32 or float64
    """
    count = int(np.prod(shape, dtype=np.int64))
    drawn = words(np.arange(-(-count // 4)), key).reshape(-1)[:count]
    return ((drawn >> np.uint32(8)) * np.float64(2**-24)).astype(dtype).reshape(shape)
