"""docs/cuda.md lists every kernel, as its source has it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tinygrad_cv.backends.cuda import sources

PAGE = (Path(__file__).parents[2] / "docs" / "cuda.md").read_text(encoding="utf-8")


def expanded(name):
    """The names that ``a_{b,c}`` stands for."""
    parts = re.split(r"\{([\w,]+)\}", name)
    choices = [p.split(",") if i % 2 else [p] for i, p in enumerate(parts)]
    return ["".join(words) for words in itertools.product(*choices)]


def rows():
    """The table's cells, one row for each kernel."""
    for line in PAGE.splitlines():
        if re.match(r"\| `\w+_", line):
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            for kernel in expanded(name.strip("`")):
                yield kernel, *cells


ROWS = list(rows())


def test_every_kernel_has_one_line_and_every_line_a_kernel():
    listed = [(row[0], row[1]) for row in ROWS]
    there = [(name, f"{stem}.cu") for stem in sources.stems() for name in sources.kernels(stem)]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_lines_say_what_the_source_says(row):
    kernel, file, tile, flops, moved, launch, rungs = row
    source = sources.kernels(file.removesuffix(".cu"))[kernel]
    assert source.block == 256
    body = re.search(rf"\b{kernel}\([^)]*\) {{([^}}]*)}}", sources.source(file.removesuffix(".cu")))
    named = re.search(r"\w*Tile\w*", body[1])
    uses = named[0] if named else "Tile64" if file == "distance.cu" else "none"
    tiles = {
        "Tile64": "64 x 64 x 16, 4 x 4 a thread",
        "TileF64": "64 x 64 x 8, 4 x 4 a thread",
        "Tile128": "128 x 128 x 8, 8 x 8 a thread",
        "TensorTile": "128 x 128 x 16, 64 x 32 a warp",
        "none": "none",
    }
    assert tile == tiles[uses]
    assert all((flops, moved, launch))
    assert set(rungs.split()) <= set("CEATH")
    assert {"C", "E"} <= set(rungs.split())


def test_the_tiles_are_those_of_the_source():
    text = sources.source("matmul")
    assert "Tile64 = Tile<64, 64, 16, 4, 4>" in text
    assert "Tile128 = Tile<128, 128, 8, 8, 8>" in text
    assert "gemm_block<T, Acc, Tile64, Step>" in sources.source("distance")
    assert "TileF64 = Tile<64, 64, 8, 4, 4>" in sources.source("nearest")
    assert "kM = 128, kN = 128, kK = 16" in text
    assert "kWarpM = 64, kWarpN = 32" in text
