"""CIFAR in both versions: found, read alike, downloaded; files that do not fit are named."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from tinygrad_cv.data import cifar10, cifar100

SCOPE = cifar10.__globals__
LOADERS = {"CIFAR10": cifar10, "CIFAR100": cifar100}
ROWS = {True: 4, False: 3}


@pytest.fixture(autouse=True)
def small(request, monkeypatch):
    """Both data sets with a few images a file, but where the real one is read."""
    if request.node.get_closest_marker("data") is None:
        for name in LOADERS:
            monkeypatch.setitem(SCOPE, name, SCOPE[name]._replace(rows=ROWS))


def arrays(name):
    """Pixels and labels of every file, by its name."""
    rng = np.random.default_rng(0)
    source = SCOPE[name]
    return {
        stem: (
            rng.integers(0, 256, (ROWS[train], 3072), np.uint8),
            rng.integers(0, len(source.classes), ROWS[train]),
        )
        for train in (True, False)
        for stem in source.files[train]
    }


def write_binary(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (pixels, labels) in arrays(name).items():
        coarse = [np.full(len(labels), 99, np.uint8)] if name == "CIFAR100" else []
        records = np.column_stack([*coarse, labels.astype(np.uint8), pixels])
        (folder / f"{stem}.bin").write_bytes(records.tobytes())


def write_python(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (pixels, labels) in arrays(name).items():
        content = {"data": pixels, SCOPE[name].label_key: labels.tolist(), "batch_label": stem}
        (folder / stem).write_bytes(pickle.dumps(content, protocol=2))


WRITERS = {"binary": write_binary, "python": write_python}


@pytest.mark.parametrize("place", ["own", "above"])
@pytest.mark.parametrize("version", WRITERS)
@pytest.mark.parametrize("name", LOADERS)
def test_both_versions_are_read_alike(tmp_path, name, version, place):
    folder = tmp_path / getattr(SCOPE[name], version)
    WRITERS[version](name, folder)
    for train in (True, False):
        data = LOADERS[name](folder if place == "own" else tmp_path, train=train)
        files = [arrays(name)[stem] for stem in SCOPE[name].files[train]]
        pixels, labels = (np.concatenate(part) for part in zip(*files, strict=True))
        np.testing.assert_array_equal(data.images, pixels.reshape(-1, 3, 32, 32), strict=True)
        np.testing.assert_array_equal(data.labels, labels, strict=True)
        assert data.classes == SCOPE[name].classes


def test_the_variable_names_the_root(tmp_path, monkeypatch):
    write_binary("CIFAR10", tmp_path / "cifar-10-batches-bin")
    monkeypatch.setenv("TINYGRAD_CV_DATA", str(tmp_path))
    assert len(cifar10(train=False, transform=np.shape)) == 3
    assert cifar10(train=False, transform=np.shape)[0][0] == (3, 32, 32)


def test_a_root_without_the_files_is_named(tmp_path):
    message = (
        r"cifar10: no test_batch\.bin or test_batch in '.*' nor in its folders cifar-10-batches-b"
    )
    with pytest.raises(FileNotFoundError, match=message):
        cifar10(tmp_path, train=False)


@pytest.mark.parametrize("version", WRITERS)
def test_a_missing_file_is_named(tmp_path, version):
    WRITERS[version]("CIFAR10", tmp_path)
    missing = "data_batch_3" + (".bin" if version == "binary" else "")
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"cifar10: {tmp_path} has no {missing}$"):
        cifar10(tmp_path)


@pytest.mark.parametrize("change", [-1, 1, -3073, 3073])
def test_a_binary_file_of_a_wrong_size_is_named(tmp_path, change):
    write_binary("CIFAR10", tmp_path)
    path = tmp_path / "test_batch.bin"
    path.write_bytes((path.read_bytes() + bytes(3073))[: 3 * 3073 + change])
    message = rf"test_batch\.bin has {3 * 3073 + change} bytes, but 3 records of 3073 make 9219"
    with pytest.raises(ValueError, match=rf"cifar10: .*{message}"):
        cifar10(tmp_path, train=False)


@pytest.mark.parametrize(
    ("name", "stem", "label"), [("CIFAR10", "test_batch", 10), ("CIFAR100", "test", 100)]
)
def test_a_label_out_of_range_is_named_with_its_file(tmp_path, name, stem, label):
    write_binary(name, tmp_path)
    path = tmp_path / f"{stem}.bin"
    content = bytearray(path.read_bytes())
    skip = SCOPE[name].label_bytes
    content[skip + 3072 + skip - 1] = label
    path.write_bytes(content)
    message = rf"label 1 in .*{stem}\.bin is {label}, but there are classes 0 to {label - 1}"
    with pytest.raises(ValueError, match=message):
        LOADERS[name](tmp_path, train=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1, -1]}, "label 2 in .*test_batch is -1, but there are classes 0 to 9"),
        ({"labels": [0, 1]}, "test_batch has no list of 3 labels"),
        ({"labels": [0, 1, "2"]}, "test_batch has no list of 3 labels"),
        ({"labels": 3}, "test_batch has no list of 3 labels"),
        (
            {"data": np.zeros((3, 3071), np.uint8)},
            r"has data of shape \(3, 3071\), not \(3, 3072\)",
        ),
        ({"data": "pixels"}, r"has data of shape \(\), not \(3, 3072\)"),
    ],
)
def test_a_pickle_that_does_not_fit_is_named(tmp_path, change, message):
    write_python("CIFAR10", tmp_path)
    path = tmp_path / "test_batch"
    path.write_bytes(pickle.dumps({**pickle.loads(path.read_bytes()), **change}, protocol=2))
    with pytest.raises(ValueError, match=rf"cifar10: .*{message}"):
        cifar10(tmp_path, train=False)


def test_a_pickle_without_labels_is_named(tmp_path):
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": 1, "x": 2}))
    with pytest.raises(ValueError, match=r"test_batch has no 'labels', only \['data', 'x'\]"):
        cifar10(tmp_path, train=False)


def archive(tmp_path):
    """The binary version as its publisher packs it."""
    write_binary("CIFAR10", tmp_path / "source" / "cifar-10-batches-bin")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        packed.add(tmp_path / "source" / "cifar-10-batches-bin", "cifar-10-batches-bin")
    return buffer.getvalue()


def test_the_archive_is_downloaded_once_into_the_cache(tmp_path, monkeypatch, server):
    packed = archive(tmp_path)
    server.files["/cifar-10-binary.tar.gz"] = packed
    source = SCOPE["CIFAR10"]._replace(md5=hashlib.md5(packed).hexdigest())
    monkeypatch.setitem(SCOPE, "CIFAR10", source)
    monkeypatch.setitem(SCOPE, "MIRRORS", ("http://127.0.0.1:9/", server.url))
    for train in (True, False, True):
        files = [arrays("CIFAR10")[stem][1] for stem in source.files[train]]
        np.testing.assert_array_equal(cifar10(train=train).labels, np.concatenate(files))
    assert server.asked == ["/cifar-10-binary.tar.gz"]
    folder = tmp_path / "cache" / "tinygrad_cv" / "cifar10"
    assert sorted(os.listdir(folder)) == [
        *(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test_batch.bin",
    ]


def test_a_false_archive_is_not_opened(tmp_path, monkeypatch, server):
    server.files["/cifar-10-binary.tar.gz"] = archive(tmp_path)
    monkeypatch.setitem(SCOPE, "MIRRORS", (server.url,))
    message = (
        r"cifar10: it is not here and could not be downloaded \(.*: md5 .* instead of c32a1d4ab5d0…\)"
        r"; put data_batch_1\.bin, .*, test_batch\.bin into .*cifar10, or name the folder of"
    )
    with pytest.raises(FileNotFoundError, match=message):
        cifar10()
    assert not (tmp_path / "cache").exists()


@pytest.mark.data
@pytest.mark.parametrize(("train", "count"), [(True, 50_000), (False, 10_000)])
def test_cifar10_is_the_whole_of_cifar10(full_data, train, count):
    data = cifar10(train=train)
    assert data.images.shape == (count, 3, 32, 32)
    np.testing.assert_array_equal(np.bincount(data.labels), np.full(10, count // 10))
    # The means of red, green and blue that every training script subtracts.
    if train:
        want = np.array([0.4914, 0.4822, 0.4465])
        np.testing.assert_allclose(data.images.mean((0, 2, 3)) / 255, want, atol=0.001)
