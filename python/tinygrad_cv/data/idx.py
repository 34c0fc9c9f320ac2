"""The IDX format of MNIST: unsigned bytes behind a big-endian header, gzipped or not."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_cv.files import atomic_write

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

UNSIGNED_BYTE = 0x0800  # the type code in the third byte; the fourth is the number of dimensions
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str], ndim: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Parameters
    ----------
    path : path-like
        The file; gzip is recognised by its first bytes, whatever the name says.
    ndim : int
        Number of dimensions: 3 for images, 1 for labels.

    Returns
    -------
    ndarray, uint8
        Writable, of the shape that the header announces.

    Raises
    ------
    ValueError
        Damaged gzip, another magic number, or a size that differs from what the header announces.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> write_idx(path, np.array([7, 2, 1], np.uint8))
    >>> read_idx(path, ndim=1).tolist()
    [7, 2, 1]
    """
    content = _content(Path(path))
    want = UNSIGNED_BYTE + ndim
    magic = int.from_bytes(content[:4].tobytes(), "big")
    if content.size < 4 or magic != want:
        begins = content[:4].tobytes().hex() or "nothing"
        raise ValueError(
            f"read_idx: {path} begins with {begins}, "
            f"but unsigned bytes in {ndim} dimensions begin with {want:08x}"
        )
    start = 4 + 4 * ndim
    if content.size < start:
        raise ValueError(
            f"read_idx: {path} is cut: {content.size} bytes, but its header alone takes {start}"
        )
    shape = tuple(content[4:start].view(">u4").tolist())
    if content.size != start + math.prod(shape):
        raise ValueError(
            f"read_idx: {path} has {content.size} bytes, "
            f"but {shape} in its header makes {start + math.prod(shape)}"
        )
    return content[start:].reshape(shape)


def write_idx(path: str | os.PathLike[str], array: NDArray[np.uint8]) -> None:
    """Write an array of unsigned bytes as IDX; gzipped, with no time stamp, if `path` ends in .gz.

    Raises
    ------
    TypeError
        Another dtype than uint8.
    """
    if array.dtype != np.uint8:
        raise TypeError(f"write_idx: array must be uint8, got {array.dtype}")
    header = (UNSIGNED_BYTE + array.ndim).to_bytes(4, "big") + np.array(
        array.shape, ">u4"
    ).tobytes()
    content = header + array.tobytes()
    if Path(path).suffix == ".gz":
        content = gzip.compress(content, compresslevel=9, mtime=0)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def gunzip(content: bytes | bytearray, name: str) -> bytes | bytearray:
    """The content of a gzip file; what does not begin as gzip does is returned as it is.

    Raises
    ------
    ValueError
        Cut or damaged gzip; `name` is named.
    """
    if content[:2] != GZIP_MAGIC:
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{name} is damaged gzip: {error}") from error


def _content(path: Path) -> NDArray[np.uint8]:
    packed = path.read_bytes()
    if not packed:
        raise ValueError(f"read_idx: {path} is empty")
    if path.suffix == ".gz" and packed[:2] not in (GZIP_MAGIC, b"\0\0"):
        raise ValueError(
            f"read_idx: {path} is not gzip: it begins with {packed[:4].hex()}, not 1f8b"
        )
    # A bytearray, so that the array can be written to.
    return np.frombuffer(bytearray(gunzip(packed, f"read_idx: {path}")), np.uint8)
