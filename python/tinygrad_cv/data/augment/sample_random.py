"""Random numbers that belong to a sample, whichever batch it is in and whoever draws them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# 2**64 divided by the golden ratio, and the factors of splitmix64.
STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class SampleRandom:
    """Random numbers for each sample of a batch, as a function of key, index and draw number.

    Parameters
    ----------
    key : int
        Of the run's seed and the epoch.
    indices : array of int, shape (N,)
        Of the samples in their data set.

    Notes
    -----
    Each number is a hash of its position (counter-based, as in Salmon et al. 2011, "Parallel random
    numbers: as easy as 1, 2, 3"), with the mixing function of splitmix64 (Steele et al. 2014).

    Examples
    --------
    >>> alone, together = SampleRandom(7, [5]), SampleRandom(7, [2, 5])
    >>> bool(alone.uniform()[0] == together.uniform()[1])
    True
    """

    def __init__(self, key: int, indices: ArrayLike) -> None:
        self.key = int(key)
        self.indices = np.asarray(indices, np.int64).reshape(-1)
        start = _mixed(np.array([self.key % 2**64], np.uint64))
        self._base = _mixed(start + (self.indices.astype(np.uint64) + np.uint64(1)) * STEP)
        self._drawn = 0

    def __len__(self) -> int:
        return len(self.indices)

    def uniform(
        self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()
    ) -> NDArray[np.float64]:
        """Numbers in [low, high), shape (N, *shape)."""
        count = math.prod(shape)
        counters = np.arange(self._drawn + 1, self._drawn + 1 + count, dtype=np.uint64) * STEP
        self._drawn += count
        bits = _mixed(self._base[:, None] + counters) >> np.uint64(11)
        unit = (bits * 2.0**-53).reshape(len(self), *shape)
        out: NDArray[np.float64] = low + (high - low) * unit
        return out

    def integers(self, low: int, high: int) -> NDArray[np.int64]:
        """Whole numbers in [low, high), shape (N,)."""
        return np.floor(self.uniform(low, high)).astype(np.int64)

    def chance(self, p: float) -> NDArray[np.bool_]:
        """True with probability p, shape (N,)."""
        return self.uniform() < p

    def of_the_batch(self) -> np.random.Generator:
        """A generator for what the batch's samples do together, such as being mixed."""
        first = int(self._base[0]) if len(self) else 0
        return np.random.Generator(np.random.PCG64([first, self._drawn]))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * FIRST
    x = (x ^ (x >> np.uint64(27))) * SECOND
    return x ^ (x >> np.uint64(31))
