"""Data sets: the base class, tensors as a data set, parts of one, and how samples become a batch.

A data set has `__len__` and `__getitem__`. One that can cut a whole batch at once also has
`get_batch(indices)`, which gives what collating `dataset[i]` for each index would give.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import Tensor, from_numpy, wrap

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Dataset:
    """Base of data sets: `__len__` says how many samples, `__getitem__` gives one.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> len(Squares()), Squares()[3]
    (4, (3, 9))
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__")

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")


_BY_ROW: set[Callable[..., Any]] = set()
GetBatch = TypeVar("GetBatch", bound=Callable[..., Any])


def by_row(get_batch: GetBatch) -> GetBatch:
    """Note a `get_batch` that takes rows of arrays, for `cuts_rows`; one that overrides it is another."""
    _BY_ROW.add(get_batch)
    return get_batch


class TensorDataset(Dataset):
    """Tensors whose first dimension counts the samples; a sample is a tuple of their rows.

    Parameters
    ----------
    *tensors : Tensor or ndarray
        All of the same length; arrays are used without a copy.

    Raises
    ------
    ValueError
        No tensor, one without dimensions, or lengths that differ.

    Examples
    --------
    >>> pairs = TensorDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> [part.tolist() for part in pairs[1]]
    [[2.0, 3.0], 1]
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else from_numpy(t) for t in tensors)
        if not self.tensors:
            raise ValueError("TensorDataset: expected at least one tensor")
        shapes = [t.shape for t in self.tensors]
        if () in shapes:
            raise ValueError(
                f"TensorDataset: tensor {shapes.index(())} has no dimension to count samples along"
            )
        if len({shape[0] for shape in shapes}) > 1:
            raise ValueError(
                "TensorDataset: tensors must have the same length, got shapes "
                + ", ".join(str(tuple(shape)) for shape in shapes)
            )

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """The rows at `index`, an int or several, of each tensor."""
        rows = rows_of("TensorDataset", index, len(self))
        return tuple(t[rows] for t in self.tensors)

    get_batch = by_row(__getitem__)


class Subset(Dataset):
    """The samples of a data set at the given indices, in their order.

    Raises
    ------
    IndexError
        An index that the data set does not have.

    Examples
    --------
    >>> Subset("abcdef", [4, 0])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: ArrayLike) -> None:
        self.dataset = dataset
        self.indices = rows_of("Subset", np.asarray(indices).reshape(-1), len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        rows = rows_of("Subset", index, len(self))
        if isinstance(rows, int):
            return self.dataset[int(self.indices[rows])]
        return self.get_batch(rows)

    @by_row
    def get_batch(self, indices: NDArray[np.int64]) -> Any:
        """The samples at `indices` of this part, collated."""
        return fetch(self.dataset, self.indices[indices])


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Split a data set at random into parts that do not overlap.

    Parameters
    ----------
    dataset : data set
    lengths : sequence of int or of float
        Sizes that add up to ``len(dataset)``, or fractions that add up to 1. Fractions are rounded
        down and what remains goes to the parts in turn, from the first on.
    generator : Generator, optional
        The default generator where none is given.

    Raises
    ------
    ValueError
        Sizes or fractions that do not add up, or a negative one.

    Examples
    --------
    >>> [len(part) for part in random_split(range(11), [0.9, 0.1], Generator(0))]
    [10, 1]
    """
    sizes = _sizes(lengths, len(dataset))
    for position, size in enumerate(sizes):
        if size == 0:
            warnings.warn(f"random_split: part {position} is empty", stacklevel=2)
    order = (generator or default_generator).numpy.permutation(len(dataset))
    ends = np.cumsum(sizes).tolist()
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _sizes(lengths: Sequence[float], total: int) -> list[int]:
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: lengths must not be negative, got {list(lengths)}")
    if math.isclose(sum(lengths), 1):
        sizes = [math.floor(total * fraction) for fraction in lengths]
        for position in range(total - sum(sizes)):
            sizes[position % len(sizes)] += 1
        return sizes
    if sum(lengths) != total or any(length != int(length) for length in lengths):
        raise ValueError(
            f"random_split: lengths {list(lengths)} must add up to {total}, the length of "
            "the data set, or be fractions that add up to 1"
        )
    return [int(length) for length in lengths]


def default_collate(samples: Sequence[Any]) -> Any:
    """Make one batch of a list of samples.

    Tensors, arrays and numbers become a tensor with a new first dimension (Python floats float64,
    ints int64, as in PyTorch); tuples, lists and dicts are collated entry by entry; strings and
    bytes stay a list.

    Raises
    ------
    ValueError
        No samples, or shapes or numbers of entries that differ.
    TypeError
        A sample of another kind.

    Examples
    --------
    >>> x, y = default_collate([(np.zeros(2), 3), (np.ones(2), 4)])
    >>> x.tolist(), y.tolist()
    ([[0.0, 0.0], [1.0, 1.0]], [3, 4])
    """
    if not samples:
        raise ValueError("default_collate: expected at least one sample")
    first = samples[0]
    if isinstance(first, Tensor):
        return wrap(_stacked([sample.array for sample in samples]))
    if isinstance(first, (np.ndarray, np.generic)):
        return wrap(_stacked(samples))
    if isinstance(first, (bool, int, float)):
        return wrap(np.array(samples))
    if isinstance(first, (str, bytes)):
        return list(samples)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(sample) for sample in samples}) > 1:
            raise ValueError(
                "default_collate: samples must have the same number of entries, got "
                f"{sorted({len(sample) for sample in samples})}"
            )
        entries = [default_collate(entry) for entry in zip(*samples, strict=True)]
        return type(first)(*entries) if hasattr(first, "_fields") else type(first)(entries)
    raise TypeError(
        "default_collate: a sample must be made of tensors, arrays, numbers, strings, tuples, "
        f"lists and dicts, got {type(first).__name__}"
    )


def _stacked(arrays: Sequence[Any]) -> Any:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"default_collate: samples must have the same shape, got {sorted(shapes)}; "
            "resize or crop them in a transform"
        )
    return np.stack(arrays)


def fetch(dataset: Any, indices: NDArray[np.int64]) -> Any:
    """The samples at `indices` as a batch: cut at once where the data set can, else collated."""
    if _cuts_batches(type(dataset)):
        return dataset.get_batch(indices)
    return fetch_samples(dataset, indices)


def cuts_rows(dataset: Any) -> bool:
    """Whether a batch is a tuple of tensors, no part of a graph, and a row depends on its index alone."""
    kind = type(dataset)
    if not (_cuts_batches(kind) and kind.get_batch in _BY_ROW):
        return False
    if isinstance(dataset, Subset):
        return cuts_rows(dataset.dataset)
    if isinstance(dataset, TensorDataset):
        return not any(tensor.requires_grad for tensor in dataset.tensors)
    return getattr(dataset, "transform", None) is None


def kept(dataset: Any, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of `indices` that a batch, once fetched, has: a data set may leave broken samples out."""
    inner, rows = dataset, indices
    while isinstance(inner, Subset):
        inner, rows = inner.dataset, inner.indices[rows]
    left_out = getattr(inner, "left_out", None)
    return indices if left_out is None else indices[~left_out(rows)]


def fetch_samples(dataset: Any, indices: NDArray[np.int64]) -> Any:
    """The samples at `indices`, one by one, collated."""
    return default_collate([dataset[index] for index in indices.tolist()])


def _cuts_batches(kind: type) -> bool:
    # A subclass that overrides __getitem__ alone means it: get_batch would go past its samples.
    owner = next(
        (k for k in kind.__mro__ if "get_batch" in vars(k) or "__getitem__" in vars(k)), kind
    )
    return "get_batch" in vars(owner)


def rows_of(where: str, index: Any, length: int) -> Any:
    """An index as a row number in [0, length) or an int64 array of them.

    Raises
    ------
    IndexError
        A row outside [-length, length).
    TypeError
        Neither an integer, a slice, a list or an array of integers, nor a mask.
    """
    if isinstance(index, slice):
        return np.arange(length)[index]
    if isinstance(index, (list, tuple, np.ndarray, Tensor)) and getattr(index, "shape", True) != ():
        return _row_array(where, np.asarray(getattr(index, "array", index)), length)
    try:
        row = operator.index(getattr(index, "array", index))
    except TypeError:
        raise TypeError(
            f"{where}: index must be an integer, a slice or an array of integers, got {index!r}"
        ) from None
    if not -length <= row < length:
        raise IndexError(f"{where}: index {row} but there are {length} samples")
    return row % length


def _row_array(where: str, index: NDArray[Any], length: int) -> NDArray[np.int64]:
    if index.dtype == bool:
        if index.shape != (length,):
            raise IndexError(f"{where}: mask {index.shape} but there are {length} samples")
        return np.flatnonzero(index)
    if index.size and index.dtype.kind not in "iu":
        raise TypeError(f"{where}: indices must be integers, got {index.dtype}")
    rows = index.astype(np.int64)
    bad = rows[(rows < -length) | (rows >= length)]
    if bad.size:
        raise IndexError(f"{where}: index {bad.flat[0]} but there are {length} samples")
    return np.where(rows < 0, rows + length, rows)
