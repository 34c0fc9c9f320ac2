"""Batches: every sample once, in an order that the seed decides, cut at once where that is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.data import DataLoader, Dataset, ImageDataset, Subset, TensorDataset
from tinygrad_cv.data.augment import Augmentation, Compose
from tinygrad_cv.data.dataset import cuts_rows


def orders(loader, epochs=2):
    return [[x for batch in loader for x in batch.tolist()] for _ in range(epochs)]


@given(
    count=st.integers(0, 20),
    batch_size=st.integers(1, 25),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
)
def test_an_epoch_has_every_sample_once(count, batch_size, shuffle, drop_last):
    loader = DataLoader(range(count), batch_size, shuffle=shuffle, drop_last=drop_last)
    sizes = [len(batch) for batch in loader]
    full, rest = divmod(count, batch_size)
    assert sizes == [batch_size] * full + [rest] * (rest > 0 and not drop_last)
    assert len(loader) == len(sizes)
    (seen,) = orders(loader, epochs=1)
    assert len(seen) == sum(sizes)
    assert len(set(seen)) == len(seen)
    if not drop_last:
        assert set(seen) == set(range(count))
    if not shuffle:
        assert seen == list(range(len(seen)))


def test_the_seed_alone_decides_the_order_of_every_epoch():
    first = orders(DataLoader(range(50), 7, shuffle=True, seed=3))
    tg.manual_seed(1)
    np.random.default_rng().random()
    assert orders(DataLoader(range(50), 9, shuffle=True, seed=3)) == first
    assert orders(DataLoader(range(50), 7, shuffle=True, generator=tg.Generator(3))) == first
    assert first[0] != first[1]
    assert orders(DataLoader(range(50), 7, shuffle=True, seed=4)) != first


def test_an_epoch_left_early_does_not_change_the_next():
    want = orders(DataLoader(range(20), 4, shuffle=True, seed=0))[1]
    loader = DataLoader(range(20), 4, shuffle=True, seed=0)
    next(iter(loader))
    assert orders(loader, epochs=1) == [want]


def test_without_a_seed_the_default_generator_decides():
    tg.manual_seed(5)
    first = orders(DataLoader(range(30), 7, shuffle=True))
    tg.manual_seed(5)
    assert orders(DataLoader(range(30), 7, shuffle=True)) == first


def test_a_sampler_decides_which_samples_come():
    loader = DataLoader(range(10), 2, sampler=[7, 7, 1])
    assert [batch.tolist() for batch in loader] == [[7, 7], [1]]
    assert len(loader) == 2


def test_collate_fn_makes_the_batch():
    loader = DataLoader(["a", "b", "c"], 2, collate_fn="".join)
    assert list(loader) == ["ab", "c"]


class Mixed(Dataset):
    """Pictures, numbers and names, one at a time."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return {"image": np.full((1, 2, 2), index, np.float32), "label": index, "name": f"n{index}"}


def test_ordinary_samples_are_collated():
    first, second = DataLoader(Mixed(), batch_size=2)
    assert first["image"].shape == (2, 1, 2, 2)
    assert first["image"].dtype == np.float32
    assert first["label"].tolist() == [0, 1]
    assert second["name"] == ["n2"]


class Counting(TensorDataset):
    """Counts how often it is asked."""

    calls = 0

    def get_batch(self, indices):
        self.calls += 1
        return super().get_batch(indices)


def test_arrays_in_memory_are_asked_once_for_a_batch():
    data = Counting(np.arange(100))
    assert len(list(DataLoader(Subset(data, np.arange(90)), 30, shuffle=True))) == 3
    assert data.calls == 3


class Watched(Augmentation):
    """Notes how many images it gets, and adds its sample's random number."""

    def __init__(self):
        self.counts = []

    def __call__(self, images, random):
        self.counts.append(len(images))
        return images + random.uniform(0, 1, (1, 1, 1)).astype(images.dtype)


class AsWhole(Watched):
    def batch(self, images, labels, random):
        return super().batch(images, labels, random)


@pytest.mark.parametrize(
    ("side", "augment", "counts"),
    [
        (2, Watched(), [2, 16, 6]),
        (512, Watched(), [2, 6, 6, 6, 4]),
        (1100, Watched(), [2] * 12),
        (2, AsWhole(), [2] * 12),
        (2, Compose([Watched(), AsWhole()]), [2] * 12),
    ],
    ids=["small", "larger", "large", "as a whole", "one of several as a whole"],
)
def test_small_batches_are_prepared_several_at_a_time(side, augment, counts):
    pixels = np.broadcast_to(
        np.arange(24, dtype=np.uint8)[:, None, None, None], (24, 1, side, side)
    )
    data = ImageDataset(pixels, np.arange(24), [str(i) for i in range(24)])
    alone = list(DataLoader(data, 2, shuffle=True, seed=0, augment=augment, num_workers=1))
    watched = augment if isinstance(augment, Watched) else augment.transforms[0]
    watched.counts.clear()
    together = list(DataLoader(data, 2, shuffle=True, seed=0, augment=augment))
    assert watched.counts == counts
    for (images, labels), (same, those) in zip(together, alone, strict=True):
        assert labels.tolist() == those.tolist()
        np.testing.assert_array_equal(images.array, same.array, strict=True)


class Doubled(ImageDataset):
    def get_batch(self, indices):
        images, labels = super().get_batch(indices)
        return images * 2, labels


@pytest.mark.parametrize("kind", [ImageDataset, Doubled])
def test_rows_are_cut_together_only_if_each_is_its_own(kind):
    data = kind(np.zeros((9, 1, 2, 2), np.uint8), np.arange(9), list("abcdefghi"))
    assert cuts_rows(data) == cuts_rows(Subset(data, [3, 1])) == (kind is ImageDataset)
    changed = kind(data.images, data.labels, data.classes, transform=lambda image: image / 2)
    assert not cuts_rows(changed)


def test_rows_of_a_graph_stay_in_it():
    rows = tg.arange(6.0).requires_grad_()
    data = TensorDataset(rows)
    assert not cuts_rows(data)
    sum(batch.sum() for (batch,) in DataLoader(data, 2)).backward()
    assert rows.grad.tolist() == [1] * 6
    assert cuts_rows(TensorDataset(rows.detach()))


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_what_the_samples_are(shuffle):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 2, 3, 3), np.uint8)
    data = ImageDataset(images, np.arange(11), [str(i) for i in range(11)])
    for batch, labels in DataLoader(data, 4, shuffle=shuffle, seed=0):
        for row, label in zip(batch, labels.tolist(), strict=True):
            image, same = data[label]
            assert same == label
            np.testing.assert_array_equal(row.array, image.array, strict=True)


def test_each_batch_is_its_own_memory():
    data = TensorDataset(np.zeros(4))
    (batch,) = next(iter(DataLoader(data, 4)))
    batch.array[:] = 1
    assert data.tensors[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("dataset", "arguments", "error", "message"),
    [
        (3, {}, TypeError, "DataLoader: dataset must have __len__ and __getitem__, got int"),
        (iter([1]), {}, TypeError, "dataset must have __len__ and __getitem__, got list_iterator"),
        ([1], {"batch_size": 0}, ValueError, "DataLoader: batch_size must be at least 1, got 0"),
        ([1], {"batch_size": -2}, ValueError, "batch_size must be at least 1, got -2"),
        ([1], {"batch_size": 1.5}, TypeError, r"DataLoader: batch_size must be an int, got 1\.5"),
        ([1], {"batch_size": True}, TypeError, "batch_size must be an int, got True"),
        ([1], {"shuffle": True, "sampler": [0]}, ValueError, "shuffle=True or a sampler, not both"),
        (
            [1],
            {"generator": tg.Generator(0), "seed": 0},
            ValueError,
            "DataLoader: give a generator or a seed, not both",
        ),
        ([1], {"seed": "x"}, TypeError, "seed must be an int, got 'x'"),
    ],
)
def test_loader_refuses(dataset, arguments, error, message):
    with pytest.raises(error, match=message):
        DataLoader(dataset, **arguments)


def test_a_worker_computes_on_one_thread():
    class Threads(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return tg.get_num_threads()

    before = tg.get_num_threads()
    try:
        tg.set_num_threads(3)
        found = [
            {
                threads
                for batch in DataLoader(Threads(), 2, num_workers=n)
                for threads in batch.tolist()
            }
            for n in (0, 2)
        ]
        assert found == [{3}, {1}]
        assert tg.get_num_threads() == 3
    finally:
        tg.set_num_threads(before)
