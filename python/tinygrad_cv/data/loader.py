"""Batches of a data set, in order or shuffled."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import _core
from tinygrad_cv.data.augment.augmentation import Augmentation
from tinygrad_cv.data.augment.sample_random import SampleRandom
from tinygrad_cv.data.dataset import cuts_rows, fetch, kept
from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

# Batches that each worker may have ready: two keep it busy while the step takes one.
READY = 2

# Without workers, small batches of data in memory are cut and augmented up to so many, and so many bytes,
# at once: code, tables and threads that have to wake up cost LeNet's step more than the work. 250 turned
# digits take 0.53 ms between steps one batch at a time.
TOGETHER, TOGETHER_BYTES = 8, 8 << 20


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
    augment : Augmentation, optional
        Changes each batch of (images, labels), see `tinygrad_cv.data.augment`. What it does to a sample
        depends on the seed, the epoch and the sample's index.
    num_workers : int
        Threads that prepare batches ahead of their use; 0 prepares each when it is asked for, on all
        cores. The batches are the same for any number. Images in memory are prepared in less time
        than a step loses to a thread beside it; workers pay for images that are read from files.

    Raises
    ------
    TypeError
        Not a data set, a batch size or number of workers that is no int, or an `augment` that is no
        Augmentation; when iterated, batches that are not (images, labels) beside `augment`.
    ValueError
        A batch size under 1, or fewer than no workers; `shuffle` beside `sampler`; `generator`
        beside `seed`.

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
        augment: Augmentation | None = None,
        num_workers: int = 0,
    ) -> None:
        _check(dataset, batch_size, num_workers, augment)
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
        self.augment = augment
        self.num_workers = int(num_workers)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        source: Any = self.dataset if self.sampler is None else self.sampler
        full, rest = divmod(len(source), self.batch_size)
        return full + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[Any]:
        return self.epoch()

    def epoch(self, skip: int = 0) -> Iterator[Any]:
        """The batches of a new epoch, without the first `skip`, which are not prepared either."""
        # Key and order are drawn here, not at the first batch, so that two loaders started in turn
        # take their numbers in that order.
        key = 0 if self.augment is None else int(self._source().numpy.integers(2**63))
        batches = self._cut(self._order())[skip:]
        if self.num_workers:
            return self._ahead(batches, key)
        if self._by_sample():
            return self._together(batches, key)
        return (self._batch(indices, key) for indices in batches)

    def state_dict(self) -> dict[str, Any]:
        """Where the drawing of orders and augmentations stands, fit for JSON."""
        return {"generator": self._source().get_state()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was called."""
        self._source().set_state(state_dict["generator"])

    def _by_sample(self) -> bool:
        """Whether a batch is a cut of arrays, and nothing is done to it as a whole."""
        return (
            self.collate_fn is None
            and cuts_rows(self.dataset)
            and (self.augment is None or self.augment.by_sample)
        )

    def _source(self) -> Generator:
        return self.generator or default_generator

    def _order(self) -> NDArray[np.int64]:
        if self.sampler is not None:
            return np.fromiter(self.sampler, np.int64)
        if self.shuffle:
            return self._source().numpy.permutation(len(self.dataset))
        return np.arange(len(self.dataset))

    def _cut(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        step = self.batch_size
        stop = len(order) - len(order) % step if self.drop_last else len(order)
        return [order[start : min(start + step, stop)] for start in range(0, stop, step)]

    def _batch(self, indices: NDArray[np.int64], key: int) -> Any:
        if self.collate_fn is None:
            batch = fetch(self.dataset, indices)
        else:
            batch = self.collate_fn([self.dataset[index] for index in indices.tolist()])
        if self.augment is None:
            return batch
        return self._augmented(batch, SampleRandom(key, kept(self.dataset, indices)))

    def _augmented(self, batch: Any, random: SampleRandom) -> tuple[Tensor, Tensor]:
        assert self.augment is not None
        if not (
            isinstance(batch, (tuple, list))
            and len(batch) == 2
            and all(isinstance(part, Tensor) for part in batch)
        ):
            raise TypeError("DataLoader: augment needs batches of (images, labels), two tensors")
        images, labels = self.augment.batch(batch[0].array, batch[1].array, random)
        return wrap(images), wrap(labels)

    def _together(self, batches: list[NDArray[np.int64]], key: int) -> Iterator[Any]:
        """The batches in order, small ones cut out of what is prepared for several at once."""
        start, count = 0, 1
        while start < len(batches):
            group = batches[start : start + count]
            whole = self._batch(np.concatenate(group), key)
            ends = np.cumsum([len(indices) for indices in group]).tolist()
            for indices, end in zip(group, ends, strict=True):
                yield tuple(wrap(part.array[end - len(indices) : end]) for part in whole)
            size = sum(part.array.nbytes for part in whole) // len(group)
            start, count = start + count, min(TOGETHER, max(1, TOGETHER_BYTES // max(1, size)))

    def _ahead(self, batches: list[NDArray[np.int64]], key: int) -> Iterator[Any]:
        """The batches in order, while threads prepare the next ones."""
        waiting: deque[Future[Any]] = deque()
        # One thread for each worker: the step has the others.
        pool = ThreadPoolExecutor(
            self.num_workers, "tinygrad-cv-data", _core.limit_this_thread, initargs=(1,)
        )
        with pool:
            try:
                for indices in batches:
                    waiting.append(pool.submit(self._batch, indices, key))
                    if len(waiting) > READY * self.num_workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:  # an epoch that is left early
                for future in waiting:
                    future.cancel()


def _check(dataset: Any, batch_size: Any, num_workers: Any, augment: Any) -> None:
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            f"DataLoader: dataset must have __len__ and __getitem__, got {type(dataset).__name__}"
        )
    for name, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise TypeError(f"DataLoader: {name} must be an int, got {value!r}")
        if value < least:
            raise ValueError(f"DataLoader: {name} must be at least {least}, got {value}")
    if augment is not None and not isinstance(augment, Augmentation):
        raise TypeError(f"DataLoader: augment must be an Augmentation, got {augment!r}")
