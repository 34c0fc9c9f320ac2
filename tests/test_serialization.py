"""Saved tensors come back bit for bit; a file that is none is named; nothing is half written."""

from __future__ import annotations

import json
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.serialization import load, load_metadata, save

DTYPES = ["float32", "float64", "float16", "uint8", "int8", "int16", "int32", "int64", "bool"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def raw_file(header, data=b""):
    """A safetensors file made by hand."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_tensors_come_back_bit_for_bit(tmp_path_factory, dtype, data):
    shape = data.draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    # Any bits: NaNs with payloads, denormals and infinities too. A bool is 0 or 1.
    content = data.draw(arrays(np.uint8, size))
    array = (content & 1 if dtype == "bool" else content).view(dtype).reshape(shape)
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save({"x": wrap(array)}, path)
    (got,) = load(path).values()
    assert isinstance(got, Tensor)
    assert got.array.tobytes() == array.tobytes()
    assert (got.shape, got.dtype) == (array.shape, array.dtype)


def test_arrays_of_any_layout_keep_their_values(path):
    square = np.arange(12.0).reshape(3, 4)
    layouts = {"transposed": square.T, "stepped": square[::-1, ::2], "big": square.astype(">f8")}
    save(layouts, path)
    for name, tensor in load(path).items():
        np.testing.assert_array_equal(tensor.array, layouts[name])
        assert tensor.dtype == np.float64
        tensor.array[0, 0] = 7  # writable


def test_a_file_made_by_hand_is_read(path):
    header = {
        "__metadata__": {"architecture": "LeNet5"},
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    path.write_bytes(raw_file(header, struct.pack("<2f", 1.5, -2.0)))
    assert load(path)["w"].tolist() == [1.5, -2.0]
    assert load_metadata(path) == {"architecture": "LeNet5"}


def test_metadata_come_back(path):
    save({}, path, {"architecture": "LeNet5", "Namen": "ä"})
    assert load(path) == {}
    assert load_metadata(path) == {"architecture": "LeNet5", "Namen": "ä"}
    save({}, path)
    assert load_metadata(path) == {}


def test_save_replaces_a_file_whole_or_not_at_all(path, monkeypatch):
    save({"x": np.zeros(3)}, path)

    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=r"No space left on device: .*model.safetensors"):
        save({"x": np.ones(3)}, path)
    assert load(path)["x"].tolist() == [0, 0, 0]
    assert os.listdir(path.parent) == [path.name]


class Model:
    def state_dict(self):
        return {}


@pytest.mark.parametrize(
    ("obj", "metadata", "message"),
    [
        ([np.zeros(2)], None, "save: expected a mapping of names to tensors, got list"),
        (Model(), None, r"got Model; use its state_dict\(\)"),
        ({1: np.zeros(2)}, None, "save: names must be str, got 1"),
        ({"lr": 0.1}, None, "save: 'lr' must be a tensor or an array, got float"),
        ({"x": np.array(["a"])}, None, "save: 'x' is <U1, which safetensors cannot hold"),
        ({"x": np.array([None])}, None, "save: 'x' is object, which safetensors cannot hold"),
        ({"x": np.zeros(1, complex)}, None, "save: 'x' is complex128, which"),
        ({}, {"epoch": 3}, "save: metadata must map str to str, got 3"),
    ],
)
def test_save_refuses_what_it_cannot_hold(path, obj, metadata, message):
    with pytest.raises(TypeError, match=message):
        save(obj, path, metadata)
    assert os.listdir(path.parent) == []


def test_save_names_a_folder_that_is_missing(path):
    with pytest.raises(FileNotFoundError, match=r"nowhere/model\.safetensors"):
        save({}, path.parent / "nowhere" / path.name)


def test_load_names_a_missing_file_and_a_folder(path):
    for read in (load, load_metadata):
        with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
            read(path)
        with pytest.raises(IsADirectoryError, match=str(path.parent)):
            read(path.parent)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        pickle.dumps(Bomb()),
        b"PK\x03\x04" + bytes(60),
        struct.pack("<Q", 1 << 62) + b"{}",
        raw_file({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)),
    ],
    ids=["empty", "text", "pickle", "zip", "huge header", "shape against size"],
)
def test_load_names_a_file_that_is_no_safetensors(path, content, monkeypatch):
    monkeypatch.chdir(path.parent)
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"load: .*model\.safetensors is no whole safetensors file"
    ):
        load(path)
    assert not os.path.exists("exploded")


@given(data=st.data())
def test_load_names_a_file_that_was_cut_anywhere(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "cut.safetensors"
    save({"weight": np.arange(6.0).reshape(2, 3), "bias": np.zeros(2, np.float32)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match=r"cut\.safetensors is no whole safetensors file"):
        load(path)


@pytest.mark.parametrize(("kind", "size"), [("BF16", 2), ("F8_E4M3", 1), ("C64", 8)])
def test_load_names_numbers_that_numpy_does_not_have(path, kind, size):
    header = {"w": {"dtype": kind, "shape": [1], "data_offsets": [0, size]}}
    path.write_bytes(raw_file(header, bytes(size)))
    with pytest.raises(
        ValueError, match=f"load: 'w' in .*model.safetensors is {kind}, which NumPy"
    ):
        load(path)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    tensors = {f"layer{i}.weight": np.full(3, i, np.float32) for i in range(8)}
    texts = {f"key{i}": str(i) for i in range(8)}
    for round_ in range(5):
        save(tensors, tmp_path / f"{round_}", texts)
    assert len({(tmp_path / f"{round_}").read_bytes() for round_ in range(5)}) == 1
    assert load_metadata(tmp_path / "0") == texts
    assert load(tmp_path / "0")["layer7.weight"].tolist() == [7, 7, 7]
