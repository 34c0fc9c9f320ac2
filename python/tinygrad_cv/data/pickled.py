"""Pickles of arrays, dicts, lists, texts, bytes and numbers, read without running what they name.

A pickle can name any function and have it called. Here nothing is looked up: the few names that NumPy's
arrays need stand for the classes below, which only keep what they are given.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray


class _Dtype:
    """What a pickle says of a dtype: its name."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name

    def __setstate__(self, state: Any) -> None:
        """Byte order and fields: one-byte numbers have neither."""


class _Array:
    """What a pickle says of an array: shape, dtype, order and bytes."""

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)


def _new_array(*_: Any) -> _Array:
    return _Array()


def _encoded(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes so into pickles that Python 2 can read."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {encoding!r} text")
    return text.encode(encoding)


_KNOWN = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("_codecs", "encode"): _encoded,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array needs")
        return _KNOWN[module, name]


def read_pickle(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a pickled dict of arrays (uint8), lists, texts and numbers.

    Parameters
    ----------
    path : path-like
        Written by Python 2 or 3, with protocol 2 or lower for arrays.

    Returns
    -------
    dict
        Keys as str; arrays as they were; texts of Python 2 as bytes.

    Raises
    ------
    ValueError
        No pickle, a cut one, one of something else than a dict, or one that names anything but
        NumPy's arrays; `path` is named.
    """
    try:
        with open(path, "rb") as file:
            content = _Unpickler(file, encoding="bytes").load()
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}, not a dict")
        return {_text(key): _plain(value) for key, value in content.items()}
    # What the pickle machine raises for bytes that are no pickle.
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"read_pickle: {path} is no pickle of arrays: {error}") from error


def _text(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _plain(value: Any) -> Any:
    return _array(value) if isinstance(value, _Array) else value


def _array(found: _Array) -> NDArray[np.uint8]:
    _, shape, dtype, fortran, content = found.state
    if not isinstance(dtype, _Dtype) or dtype.name not in ("u1", b"u1"):
        raise ValueError("its array is not of uint8")
    flat = np.frombuffer(content, np.uint8)
    return flat.reshape(shape, order="F" if fortran else "C")
