"""The CUDA sources: shipped as they are, readable to the launcher, accepted by NVIDIA's compiler."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import nvrtc
import pytest

from tinygrad_cv.backends.cuda import sources

CSRC = Path(__file__).parents[3] / "csrc" / "cuda"
STEMS = [
    "adaptive_pool", "conv", "conv_direct", "distance", "elementwise", "loss", "matmul", "nearest",
    "norm", "optim", "pool",
]  # fmt: skip
# From Turing to Blackwell: every compute capability that CuPy 14 supports and ptxas tells apart.
ARCHITECTURES = [
    pytest.param(arch, marks=[] if arch == 120 else pytest.mark.slow)
    for arch in (75, 80, 86, 89, 90, 100, 120)
]


def test_the_package_ships_the_sources_as_they_are():
    """Else a stale build is tested."""
    assert sources.stems() == STEMS
    files = {file.name for file in CSRC.iterdir()}
    assert files == {file.name for file in sources.FOLDER.iterdir()}
    for name in files:
        assert (CSRC / name).read_bytes() == (sources.FOLDER / name).read_bytes(), name


@pytest.mark.parametrize("stem", STEMS)
def test_includes_stand_in_their_place_once(stem):
    text = sources.source(stem)
    assert not re.search(r"^#(include|pragma once)", text, re.MULTILINE)
    assert text.count("#define SHARED") == 2  # the emulator's and the GPU's


def test_parameters_are_read_from_the_source():
    kernels = sources.kernels("matmul")
    assert sorted(kernels) == [
        "matmul_bf16_t128", "matmul_f16_t128", "matmul_f32_t128", "matmul_f32_t64", "matmul_f64_t64",
        "matmul_tf32_t128", "sum_splits_f32", "sum_splits_f64",
    ]  # fmt: skip
    split = kernels["sum_splits_f64"]
    assert split.block == 256
    assert [p.name for p in split.parameters] == [
        "parts", "bias", "y", "splits", "count", "n", "relu",
    ]  # fmt: skip
    assert [p.is_pointer for p in split.parameters] == [True] * 3 + [False] * 4
    assert [p.dtype for p in split.parameters] == [np.float64] * 3 + [
        np.int32,
        np.int64,
        *[np.int32] * 2,
    ]
    # A macro's parameters: 4 pointers, 6 ints, 8 steps, 1 int.
    kinds = [p.dtype for p in kernels["matmul_f32_t64"].parameters]
    assert kinds == [np.float32] * 4 + [np.int32] * 6 + [np.int64] * 8 + [np.int32]


@pytest.fixture(scope="module")
def compiler():
    found = nvrtc.compiler()
    if found is None:
        pytest.skip('libnvrtc is not installed: pip install "tinygrad-cv[test-cuda]"')
    return found


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("stem", STEMS)
def test_kernels_compile_without_spills(compiler, stem, arch):
    kernels = sources.kernels(stem)
    uses = nvrtc.compiled(compiler, sources.source(stem), arch)
    assert uses.keys() == kernels.keys()
    for name, use in uses.items():
        assert use.spilled == 0, f"{name}: {use}"
        assert use.shared <= 48 << 10, f"{name}: {use}"
        assert use.registers * kernels[name].block <= 65536, f"{name}: {use}"


def test_a_spill_and_an_error_are_noticed(compiler):
    many = " ".join(f"float v{i} = x[{i} + n];" for i in range(90))
    total = " + ".join(f"v{i} * v{(i * 7 + n) % 90}" for n in (1, 2) for i in range(90))
    source = f"""extern "C" __global__ void __launch_bounds__(1024, 2)
    spills(float* x, int n) {{ {many} __syncthreads(); x[threadIdx.x] = {total}; }}"""
    assert nvrtc.compiled(compiler, source, 80)["spills"].spilled > 0
    with pytest.raises(RuntimeError, match=r'sm_80: .*identifier "nonsense" is undefined'):
        nvrtc.compiled(compiler, source.replace("x[threadIdx.x]", "nonsense"), 80)
