"""Pickles of arrays are read; whatever else a pickle names is neither looked up nor run."""

from __future__ import annotations

import os
import pickle
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_cv.data.pickled import read_pickle

# {"labels": [3], "data": uint8 array (1, 4)} as Python 2 and an old NumPy write it.
PYTHON2 = (
    b"\x80\x02}q\x01(U\x06labels]K\x03aU\x04data"
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    b"(K\x01K\x01K\x04\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04abcdtbu."
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data_batch_1"


def test_a_pickle_of_python_2_is_read(path):
    path.write_bytes(PYTHON2)
    content = read_pickle(path)
    assert content["labels"] == [3]
    np.testing.assert_array_equal(content["data"], np.frombuffer(b"abcd", np.uint8)[None])


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_a_pickle_of_python_3_is_read(path, protocol):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    written = {"data": array, "turned": array.T, "names": ["cat", b"dog"], "epoch": 2**40}
    path.write_bytes(pickle.dumps(written, protocol))
    content = read_pickle(path)
    np.testing.assert_array_equal(content.pop("data"), array, strict=True)
    np.testing.assert_array_equal(content.pop("turned"), array.T, strict=True)
    assert content == {"names": ["cat", b"dog"], "epoch": 2**40}


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Call(os.mkdir, "exploded"), "posix.mkdir"),
        (Call(eval, "open('exploded', 'w')"), "__builtin__.eval"),
        (Call(getattr, "", "join"), "__builtin__.getattr"),
        (Call(np.load, "exploded"), "numpy.load"),
        (np.float64(1), "numpy._core.multiarray.scalar"),
        (pytest, "importlib"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pickle_that_names_anything_else_is_refused(path, monkeypatch, value, named):
    monkeypatch.chdir(path.parent)
    if value is pytest:  # a name alone, not called
        content = b"cimportlib\nimport_module\n."
    else:
        content = pickle.dumps({"data": np.zeros(1, np.uint8), "x": value}, protocol=2)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"data_batch_1 is no pickle of arrays: it names {named}"):
        read_pickle(path)
    assert os.listdir() == ["data_batch_1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Ran out of input"),
        (b"no pickle", "is no pickle of arrays"),
        (pickle.dumps([1]), "it holds a list, not a dict"),
        (pickle.dumps({"x": np.zeros(2)}, 2), "its array is not of uint8"),
        (pickle.dumps({"x": np.array([None])}, 2), "its array is not of uint8"),
        (PYTHON2.replace(b"K\x04\x86", b"K\x05\x86"), "cannot reshape array of size 4"),
        (PYTHON2.replace(b"tb\x89U\x04abcdtb", b"tb0"), "is no pickle of arrays"),
        (b"c_codecs\nencode\n(U\x01aU\x05utf-8tR.", "is no pickle of arrays"),
    ],
    ids=["empty", "text", "list", "float", "object", "shape", "no state", "other text"],
)
def test_a_file_that_is_no_pickle_of_bytes_is_named(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"read_pickle: .*data_batch_1 .*{re.escape(message)}"):
        read_pickle(path)


@given(content=st.binary(max_size=60), cut=st.integers(0, len(PYTHON2)))
@example(content=b"", cut=len(PYTHON2) - 1)
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, cut):
    path = tmp_path_factory.getbasetemp() / "any-pickle"
    path.write_bytes(PYTHON2[:cut] + content)
    found, message = None, ""
    try:
        found = read_pickle(path)
    except ValueError as error:
        message = str(error)
    assert isinstance(found, dict) or "any-pickle is no pickle of arrays" in message


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match="data_batch_1"):
        read_pickle(path)
