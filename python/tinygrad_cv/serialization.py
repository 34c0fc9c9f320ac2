"""Tensors in files: safetensors, which hold numbers and names and no code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import to_host
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.files import atomic_write
from tinygrad_cv.optional import require

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What safetensors calls the numbers that a tensor can hold.
KINDS = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"}


def save(
    obj: Mapping[str, Any],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Save named tensors as a safetensors file.

    The file is written under a temporary name, synced and renamed: `path` is always whole.

    Parameters
    ----------
    obj : mapping of str to Tensor or ndarray
        Such as ``model.state_dict()``.
    path : path-like
        The file to make or replace.
    metadata : mapping of str to str, optional
        Texts to keep beside the tensors; `load_metadata` reads them.

    Raises
    ------
    TypeError
        Names, values or metadata of another kind, or numbers that the format does not know.
    OSError
        A file that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save({"weight": np.ones(2, np.float32)}, path, {"epoch": "3"})
    >>> load(path)["weight"].tolist(), load_metadata(path)
    ([1.0, 1.0], {'epoch': '3'})
    """
    numpy = require("safetensors.numpy", extra="train")
    arrays = _arrays(obj)
    _check_metadata(metadata)
    content = _sorted(numpy.save(arrays, None if metadata is None else dict(metadata)))
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _sorted(content: bytes) -> bytes:
    """The same file with its header's names in order: the package writes metadata in any order.

    The same tensors and texts then always give the same bytes.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors start at a multiple of 8
    return len(header).to_bytes(8, "little") + header + content[end:]


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Load the tensors of a safetensors file, bit for bit as they were saved.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        No such file.
    ValueError
        A file that is cut or no safetensors file.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save({"bias": np.arange(3)}, path)
    >>> load(path)
    {'bias': tensor([0, 1, 2])}
    """
    with _opened(path) as file:
        return {name: wrap(_array(path, name, file)) for name in file.keys()}  # noqa: SIM118


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that a safetensors file keeps beside its tensors; see `save` and `load`."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


def _arrays(obj: Any) -> dict[str, NDArray[Any]]:
    if not isinstance(obj, Mapping):
        hint = "; use its state_dict()" if hasattr(obj, "state_dict") else ""
        raise TypeError(
            f"save: expected a mapping of names to tensors, got {type(obj).__name__}{hint}"
        )
    return {_name(name): _dense(name, value) for name, value in obj.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"save: names must be str, got {name!r}")
    return name


def _dense(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, Tensor):
        value = to_host(value.array)
    if not isinstance(value, np.ndarray):
        raise TypeError(f"save: {name!r} must be a tensor or an array, got {type(value).__name__}")
    if value.dtype.kind not in "fiub" or value.dtype.itemsize > 8:
        raise TypeError(f"save: {name!r} is {value.dtype}, which safetensors cannot hold")
    return np.asarray(value, order="C")


def _check_metadata(metadata: Any) -> None:
    texts = [] if metadata is None else [*metadata.keys(), *metadata.values()]
    bad = [text for text in texts if not isinstance(text, str)]
    if bad:
        raise TypeError(f"save: metadata must map str to str, got {bad[0]!r}")


def _opened(path: str | os.PathLike[str]) -> Any:
    safetensors = require("safetensors", extra="train")
    with open(path, "rb"):  # says in Python's own way that there is no such file, or a folder
        pass
    try:
        return safetensors.safe_open(os.fspath(path), framework="np")
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"load: {os.fspath(path)} is no whole safetensors file: {error}"
        ) from error


def _array(path: str | os.PathLike[str], name: str, file: Any) -> NDArray[Any]:
    kind = file.get_slice(name).get_dtype()
    if kind not in KINDS:
        raise ValueError(
            f"load: {name!r} in {os.fspath(path)} is {kind}, which NumPy does not have"
        )
    array: NDArray[Any] = file.get_tensor(name)
    return array
