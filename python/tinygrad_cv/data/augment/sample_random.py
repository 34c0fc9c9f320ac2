"""Random numbers that belong to a sample, whichever batch it is in and whoever draws them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import _core

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


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
        self.indices = np.ascontiguousarray(indices, np.int64).reshape(-1)
        self._base = _core.splitmix_bases(self.key % 2**64, self.indices)
        self._drawn = 0

    def __len__(self) -> int:
        return len(self.indices)

    def uniform(
        self, low: Any = 0.0, high: Any = 1.0, shape: tuple[int, ...] = ()
    ) -> NDArray[np.float64]:
        """Numbers in [low, high), shape (N, *shape).

        The ends are numbers or, for a shape of one dimension, arrays of that shape, float64.
        """
        count = math.prod(shape)
        drawn = _core.splitmix_uniform(self._base, self._drawn, count, low, high)
        self._drawn += count
        out: NDArray[np.float64] = drawn.reshape(len(self), *shape)
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
