"""IDX files: what was written is read; every kind of damage is named with the file."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygrad_cv.data.idx import read_idx, write_idx


def idx(shape, magic=None, content=None):
    """The bytes of an IDX file, made by hand."""
    header = struct.pack(f">{1 + len(shape)}I", magic or 0x0800 + len(shape), *shape)
    return header + (bytes(range(int(np.prod(shape)))) if content is None else content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_read_idx_gives_shape_and_bytes_of_a_file_made_by_hand(tmp_path, pack):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(pack(idx((2, 3, 4))))
    got = read_idx(path, ndim=3)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, np.arange(24).reshape(2, 3, 4))
    got[0, 0, 0] = 7  # writable


@given(array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_read_idx_reads_what_write_idx_wrote(tmp_path_factory, suffix, array):
    path = tmp_path_factory.mktemp("idx") / f"array{suffix}"
    write_idx(path, array)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == bool(suffix)
    np.testing.assert_array_equal(read_idx(path, array.ndim), array, strict=True)


def test_write_idx_writes_the_same_gzip_bytes_again(tmp_path):
    for name in ("one.gz", "two.gz"):
        write_idx(tmp_path / name, np.arange(50, dtype=np.uint8))
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_write_idx_refuses_other_dtypes(tmp_path):
    with pytest.raises(TypeError, match="array must be uint8, got float64"):
        write_idx(tmp_path / "x", np.zeros(3))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty", b"", "is empty"),
        ("empty.gz", b"", "is empty"),
        (
            "short",
            b"\0\0",
            "begins with 0000, but unsigned bytes in 3 dimensions begin with 00000803",
        ),
        ("labels", idx((3,)), "begins with 00000801, but .* in 3 dimensions begin with 00000803"),
        ("floats", idx((1, 1, 1), magic=0x0D03), "begins with 00000d03"),
        ("page", b"<!DOCTYPE html>", "begins with 3c21444f"),
        ("page.gz", b"<!DOCTYPE html>", "is not gzip: it begins with 3c21444f, not 1f8b"),
        ("header", idx((2, 3, 4))[:11], "is cut: 11 bytes, but its header alone takes 16"),
        ("cut", idx((2, 3, 4))[:-1], r"has 39 bytes, but \(2, 3, 4\) in its header makes 40"),
        ("long", idx((2, 3, 4)) + b"x", r"has 41 bytes, but \(2, 3, 4\) in its header makes 40"),
        (
            "huge",
            idx((2**32 - 1,) * 3, content=b""),
            f"has 16 bytes, but .* makes {(2**32 - 1) ** 3 + 16}",
        ),
        ("cut.gz", gzip.compress(idx((2, 3, 4)))[:-9], "is damaged gzip"),
        (
            "crc.gz",
            gzip.compress(idx((2, 3, 4)))[:-8] + bytes(8),
            "is damaged gzip: CRC check failed",
        ),
        ("stream.gz", gzip.compress(idx((2, 3, 4)))[:10] + b"\xff" * 30, "is damaged gzip"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_read_idx_names_the_file_and_its_damage(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"read_idx: .*{name} {message}"):
        read_idx(path, ndim=3)


@given(data=st.data())
def test_read_idx_of_any_cut_gives_an_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any-cut"
    whole = data.draw(st.sampled_from([idx((2, 3, 4)), gzip.compress(idx((2, 3, 4)))]))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match=r"read_idx: .*any-cut "):
        read_idx(path, ndim=3)
