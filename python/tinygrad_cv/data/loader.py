"""Batches of a data set, in order or shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.data.dataset import fetch
from tinygrad_cv.engine.random import Generator, default_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray


class DataLoader:
    """Iterate over the batches of a data set.

    Data sets in memory (`ImageDataset`, `TensorDataset`, and a `Subset` of either) are cut by arrays
    of indices: nothing runs once for each sample.

    Parameters
    ----------
    dataset : data set
        Anything with `__len__` and `__getitem__`.
    batch_size : int
        Samples in a batch; the last one may be smaller.
    shuffle : bool
        Draw a new order for each epoch, that is, each time an iteration starts.
    sampler : iterable of int, optional
        The indices to take, in order, instead of all; it is iterated anew for each epoch.
    collate_fn : callable, optional
        Makes a batch of a list of samples, in place of `default_collate`.
    drop_last : bool
        Leave out the last batch where it is smaller than the others.
    generator : Generator, optional
        What draws the orders; the default generator where neither it nor `seed` is given.
    seed : int, optional
        Short for ``generator=Generator(seed)``: the order of each epoch then depends on it alone.

    Raises
    ------
    TypeError
        Not a data set, or a batch size that is no int.
    ValueError
        A batch size under 1; `shuffle` beside `sampler`; `generator` beside `seed`.

    Examples
    --------
    >>> loader = DataLoader(range(5), batch_size=2)
    >>> len(loader), [batch.tolist() for batch in loader]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        *,
        collate_fn: Callable[[Sequence[Any]], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
        seed: int | None = None,
    ) -> None:
        _check(dataset, batch_size)
        if shuffle and sampler is not None:
            raise ValueError("DataLoader: give shuffle=True or a sampler, not both")
        if generator is not None and seed is not None:
            raise ValueError("DataLoader: give a generator or a seed, not both")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.sampler = sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator if seed is None else Generator(seed)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        source: Any = self.dataset if self.sampler is None else self.sampler
        full, rest = divmod(len(source), self.batch_size)
        return full + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[Any]:
        # The order is drawn here, not at the first batch, so that two loaders started in turn take
        # their numbers in that order.
        return self._batches(self._order())

    def _order(self) -> NDArray[np.int64]:
        if self.sampler is not None:
            return np.fromiter(self.sampler, np.int64)
        if self.shuffle:
            return (self.generator or default_generator).numpy.permutation(len(self.dataset))
        return np.arange(len(self.dataset))

    def _batches(self, order: NDArray[np.int64]) -> Iterator[Any]:
        step = self.batch_size
        stop = len(order) - len(order) % step if self.drop_last else len(order)
        for start in range(0, stop, step):
            yield self._batch(order[start : start + step])

    def _batch(self, indices: NDArray[np.int64]) -> Any:
        if self.collate_fn is None:
            return fetch(self.dataset, indices)
        return self.collate_fn([self.dataset[index] for index in indices.tolist()])


def _check(dataset: Any, batch_size: Any) -> None:
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            f"DataLoader: dataset must have __len__ and __getitem__, got {type(dataset).__name__}"
        )
    if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool):
        raise TypeError(f"DataLoader: batch_size must be an int, got {batch_size!r}")
    if batch_size < 1:
        raise ValueError(f"DataLoader: batch_size must be at least 1, got {batch_size}")
