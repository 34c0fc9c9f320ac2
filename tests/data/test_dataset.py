"""Data sets of tensors, parts of data sets, random splits, and how samples become a batch."""

from __future__ import annotations

import collections
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.data import Dataset, Subset, TensorDataset, default_collate, random_split
from tinygrad_cv.data.dataset import fetch


class Squares(Dataset):
    """An ordinary data set: one sample at a time."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return index, np.float32(index**2)


class Doubled(TensorDataset):
    """Overrides the sample, and not the batch."""

    def __getitem__(self, index):
        return (2 * super().__getitem__(index)[0],)


def pairs(count=5):
    x = np.arange(2.0 * count).reshape(count, 2)
    return TensorDataset(tg.tensor(x), np.arange(count) * 10)


def values(batch):
    return [tensor.tolist() for tensor in batch]


# TensorDataset


def test_tensor_dataset_gives_rows_of_every_tensor():
    data = pairs()
    assert len(data) == 5
    assert values(data[3]) == [[6, 7], 30]
    assert values(data[-1]) == [[8, 9], 40]
    assert values(data[1:3]) == [[[2, 3], [4, 5]], [10, 20]]
    assert values(data[[4, 0]]) == [[[8, 9], [0, 1]], [40, 0]]
    assert values(data.get_batch(np.array([2]))) == [[[4, 5]], [20]]


def test_tensor_dataset_shares_the_memory_of_arrays():
    array = np.zeros((2, 1))
    data = TensorDataset(array)
    array[1] = 7
    assert values(data[1]) == [[7]]


def test_tensor_dataset_keeps_the_graph_of_its_tensors():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (batch,) = TensorDataset(x)[[0, 2, 2]]
    batch.sum().backward()
    assert x.grad.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ((), ValueError, "TensorDataset: expected at least one tensor"),
        ((np.zeros((3, 2)), np.zeros(2)), ValueError, "the same length, got shapes (3, 2), (2,)"),
        ((np.zeros(3), np.zeros(())), ValueError, "TensorDataset: tensor 1 has no dimension"),
        (([1, 2],), TypeError, "expected a numpy.ndarray, got list"),
    ],
)
def test_tensor_dataset_refuses(tensors, error, message):
    with pytest.raises(error, match=re.escape(message)):
        TensorDataset(*tensors)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (5, IndexError, "TensorDataset: index 5 but there are 5 samples"),
        (-6, IndexError, "TensorDataset: index -6 but there are 5 samples"),
        ([0, 7], IndexError, "TensorDataset: index 7 but there are 5 samples"),
        (np.array([-6]), IndexError, "TensorDataset: index -6 but there are 5 samples"),
        (np.array([True]), IndexError, "TensorDataset: mask (1,) but there are 5 samples"),
        (1.0, TypeError, "an integer, a slice or an array of integers, got 1.0"),
        ("1", TypeError, "an integer, a slice or an array of integers, got '1'"),
        ([1.5], TypeError, "TensorDataset: indices must be integers, got float64"),
    ],
)
def test_tensor_dataset_refuses_an_index(index, error, message):
    with pytest.raises(error, match=re.escape(message)):
        pairs()[index]


@pytest.mark.parametrize(
    "index",
    [
        2,
        -1,
        np.int32(3),
        np.array(4),
        slice(1, None, 2),
        slice(None, None, -1),
        [],
        [3, -2, 3],
        np.array([], np.int64),
        np.array([1, -1], np.int8),
        np.arange(5) % 2 == 0,
    ],
    ids=repr,
)
def test_indices_mean_what_they_mean_to_numpy(index):
    got = TensorDataset(np.arange(5) * 10)[index][0]
    assert got.tolist() == (np.arange(5)[index] * 10).tolist()


def test_a_tensor_is_an_index():
    assert values(pairs()[tg.tensor(2)]) == [[4, 5], 20]
    assert values(pairs()[tg.tensor([2, 0])]) == [[[4, 5], [0, 1]], [20, 0]]


# Subset


def test_subset_gives_the_samples_at_its_indices():
    part = Subset(Squares(), [4, 1, -5])
    assert len(part) == 3
    assert [part[i] for i in range(3)] == [(4, 16), (1, 1), (0, 0)]
    assert part[-1] == (0, 0)
    assert values(part[:2]) == [[4, 1], [16, 1]]
    assert list(part) == [(4, 16), (1, 1), (0, 0)]


def test_subset_of_a_subset_cuts_batches():
    part = Subset(Subset(pairs(), [4, 3, 1]), [2, 0])
    assert values(fetch(part, np.array([1, 0]))) == [[[8, 9], [2, 3]], [40, 10]]


def test_subset_refuses_indices_that_are_not_there():
    with pytest.raises(IndexError, match="Subset: index 5 but there are 5 samples"):
        Subset(Squares(), [0, 5])
    with pytest.raises(IndexError, match="Subset: index 2 but there are 2 samples"):
        Subset(Squares(), [0, 4])[2]


def test_a_subclass_that_overrides_the_sample_gets_its_batches_from_it():
    data = Doubled(np.arange(4))
    assert values(fetch(data, np.array([3, 1]))) == [[6, 2]]
    assert values(fetch(Subset(data, [2, 3]), np.array([1]))) == [[6]]


def test_dataset_names_the_method_that_is_missing():
    with pytest.raises(NotImplementedError, match="Dataset has no __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="Dataset has no __len__"):
        len(Dataset())


# random_split


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_random_split_gives_every_sample_to_one_part(sizes, seed):
    parts = random_split(range(sum(sizes)), sizes, generator=tg.Generator(seed))
    assert [len(part) for part in parts] == sizes
    assert sorted(sample for part in parts for sample in part) == list(range(sum(sizes)))


@pytest.mark.parametrize(
    ("total", "fractions", "want"),
    [
        (10, [0.9, 0.1], [9, 1]),
        (11, [0.9, 0.1], [10, 1]),
        (10, [1 / 3] * 3, [4, 3, 3]),
        (11, [1 / 3] * 3, [4, 4, 3]),
        (7, [1.0], [7]),
        (60000, [0.9, 0.1], [54000, 6000]),
        (10, [0.7, 0.2, 0.1], [7, 2, 1]),
    ],
)
def test_random_split_by_fractions(total, fractions, want):
    parts = random_split(range(total), fractions, tg.Generator(0))
    assert [len(part) for part in parts] == want


@pytest.mark.torch
@pytest.mark.parametrize("total", [10, 11, 97, 60000])
@pytest.mark.parametrize("fractions", [[0.9, 0.1], [1 / 3] * 3, [0.15, 0.35, 0.5], [0.25] * 4])
def test_random_split_has_the_sizes_of_pytorch(total, fractions):
    data = pytest.importorskip("torch.utils.data")
    want = [len(part) for part in data.random_split(range(total), fractions)]
    assert [len(part) for part in random_split(range(total), fractions)] == want


def test_random_split_depends_on_its_generator_alone():
    def split(generator):
        return [part.indices.tolist() for part in random_split(range(50), [40, 10], generator)]

    first = split(tg.Generator(3))
    np.random.default_rng().random()
    tg.manual_seed(0)
    assert split(tg.Generator(3)) == first
    assert split(tg.Generator(4)) != first
    tg.manual_seed(3)
    assert split(None) == first


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="random_split: part 1 is empty"):
        assert [len(part) for part in random_split(range(3), [3, 0])] == [3, 0]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 1], "random_split: lengths [3, 1] must add up to 5"),
        ([0.5, 0.4], "random_split: lengths [0.5, 0.4] must add up to 5"),
        ([2.5, 2.5], "random_split: lengths [2.5, 2.5] must add up to 5"),
        ([6, -1], "random_split: lengths must not be negative, got [6, -1]"),
        ([], "random_split: lengths [] must add up to 5"),
    ],
)
def test_random_split_refuses(lengths, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        random_split(range(5), lengths)


# default_collate

Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("samples", "want", "dtype"),
    [
        ([1, 2], [1, 2], "int64"),
        ([1.5, 2.0], [1.5, 2.0], "float64"),
        ([True, False], [True, False], "bool"),
        ([np.float32(1), np.float32(2)], [1, 2], "float32"),
        ([np.zeros(2, np.uint8), np.ones(2, np.uint8)], [[0, 0], [1, 1]], "uint8"),
        ([tg.tensor([1.0]), tg.tensor([2.0])], [[1], [2]], "float32"),
        ([tg.tensor(3)], [3], "int64"),
    ],
)
def test_collate_makes_a_tensor(samples, want, dtype):
    batch = default_collate(samples)
    assert isinstance(batch, tg.Tensor)
    assert batch.tolist() == want
    assert batch.dtype == dtype


def test_collate_goes_into_containers():
    sample = {"image": np.zeros(2), "box": (1, 2.0), "name": "a", "corner": Point(3, 4)}
    batch = default_collate([sample, {**sample, "box": (5, 6.0), "name": "b"}])
    assert batch["image"].shape == (2, 2)
    assert values(batch["box"]) == [[1, 5], [2, 6]]
    assert isinstance(batch["box"], tuple)
    assert batch["name"] == ["a", "b"]
    assert isinstance(batch["corner"], Point)
    assert values(batch["corner"]) == [[3, 3], [4, 4]]
    assert values(default_collate([[1, 2], [3, 4]])) == [[1, 3], [2, 4]]


@pytest.mark.torch
@pytest.mark.parametrize("samples", [[1, 2], [1.5, 2.5], [True, False], [(1, 2.0), (3, 4.0)]])
def test_collate_makes_what_pytorch_makes(samples):
    want = pytest.importorskip("torch.utils.data").default_collate(samples)
    got = default_collate(samples)
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.numpy(), strict=True)


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([], ValueError, "default_collate: expected at least one sample"),
        (
            [np.zeros(2), np.zeros(3)],
            ValueError,
            "the same shape, got [(2,), (3,)]; resize or crop",
        ),
        ([tg.zeros(1), tg.zeros(1, 1)], ValueError, "the same shape, got [(1,), (1, 1)]"),
        ([(1, 2), (3,)], ValueError, "the same number of entries, got [1, 2]"),
        ([None], TypeError, "got NoneType"),
    ],
)
def test_collate_refuses(samples, error, message):
    with pytest.raises(error, match=re.escape(message)):
        default_collate(samples)
