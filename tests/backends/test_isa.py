"""Instruction sets: each that the machine has passes the kernel tests; no hot code leaks out of one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_cv import _core

HERE = Path(__file__).parent
MAY_IMPORT = r"GOMP_|__kmpc_|omp_get_|mem|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|stack_chk)"
ISAS = ("sse2", "avx2", "avx512", "avx512vnni", "neon")


def run_python(*arguments, isa):
    environment = {**os.environ, "TINYGRAD_CV_ISA": isa}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment, cwd=HERE.parents[1], capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("isa", _core.available_isas())
def test_each_instruction_set_passes_the_kernel_tests(isa):
    said = run_python("-c", "from tinygrad_cv import _core; print(_core.isa())", isa=isa)
    assert said.stdout.strip() == isa, said.stderr
    files = sorted(str(f) for f in HERE.glob("test_*.py") if f.name != Path(__file__).name)
    # The exact tests reach every tile and form; the bounds of random ones are the default set's.
    tests = run_python(
        "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "exact", *files, isa=isa
    )
    assert tests.returncode == 0, tests.stdout[-4000:]
    assert re.search(r"\d+ passed", tests.stdout)


def test_the_best_instruction_set_is_the_default():
    assert run_python("-c", "from tinygrad_cv import _core; print(_core.isa())", isa="").stdout == (
        _core.available_isas()[-1] + "\n"
    )


def test_an_unknown_instruction_set_is_refused():
    failed = run_python("-c", "import tinygrad_cv", isa="avx1024")
    assert failed.returncode == 1
    have = ", ".join(_core.available_isas())
    message = f"ImportError: TINYGRAD_CV_ISA: this machine and build have {have}, got 'avx1024'"
    assert message in failed.stderr


def hot_objects():
    """The object files that this extension was linked from, if its build folder is still there."""
    build = Path(os.environ.get("SKBUILD_BUILD_DIR", HERE.parents[1] / "build"))
    found = {isa: sorted(build.glob(f"**/kernels_{isa}.dir/**/*.o")) for isa in ISAS}
    return [(isa, path) for isa, paths in found.items() for path in paths]


def tool(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# Objects are the only proof. In the linked extension the two copies of a weak function are one
# already, hidden names are local and stripped from wheels, and cold code may have initialisers; so
# where there is no build folder (an installed wheel) there is nothing to read.
def test_hot_objects_share_nothing_with_other_instruction_sets():
    objects = hot_objects()
    if not objects:
        pytest.skip("no build folder: the extension came as a wheel")
    for isa, path in objects:
        for line in tool("nm", "-C", str(path)).splitlines():
            kind, name = re.fullmatch(r"[0-9a-f ]{16} (\w) (.*)", line).groups()
            if kind in "VvWwu":  # weak or unique: the linker keeps one copy of any set
                assert f"tinygrad_cv::{isa}::" in name, f"{path}: weak {name}"
            elif kind == "U":
                assert re.match(MAY_IMPORT, name), f"{path}: imports {name}"


def test_hot_objects_run_nothing_when_the_library_is_loaded():
    objects = hot_objects()
    if not objects:
        pytest.skip("no build folder: the extension came as a wheel")
    for _, path in objects:
        assert not re.search(r"\.(init_array|ctors)", tool("objdump", "-h", str(path))), path


def test_the_measured_peak_keeps_all_its_multiply_adds():
    objects = [(isa, path) for isa, path in hot_objects() if path.name.startswith("peak_isa")]
    if not objects:
        pytest.skip("no build folder: the extension came as a wheel")
    for isa, path in objects:
        if isa in ("avx2", "avx512", "avx512vnni"):
            code = tool("objdump", "-d", "--no-show-raw-insn", str(path))
            # Ten independent chains in float32, and ten in float64.
            assert len(re.findall(r"\bvfn?madd\d+ps\b", code)) >= 10, path
            assert len(re.findall(r"\bvfn?madd\d+pd\b", code)) >= 10, path
