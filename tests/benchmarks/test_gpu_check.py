"""benchmarks/gpu_check.py on the emulated GPU: it passes what is right and fails what is not."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tinygrad_cv import backends


@pytest.fixture
def gpu_check(monkeypatch, request):
    import importlib
    from pathlib import Path

    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("gpu_check")


@pytest.mark.usefixtures("cupy")
def test_every_kernel_holds(gpu_check, monkeypatch):
    few = gpu_check.checks.cases()[::7]
    assert len({case.function for case in few}) > 10
    monkeypatch.setattr(gpu_check.checks, "cases", lambda: few)
    assert [one for one in gpu_check.checks.kernels() if not one.passed] == []


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (lambda y: y + np.float32(1) / 64, "relative error"),
        (lambda y: y * np.float32(np.nan), "NaN at other places"),
        (lambda y: y.astype(np.float64), "float64"),
        (lambda y: y[1:], "in the place of"),
    ],
    ids=range(4),
)
def test_a_wrong_kernel_is_found(gpu_check, cupy, monkeypatch, broken, found):
    room = backends.backend_for(cupy.empty(1))
    right = room.matmul
    monkeypatch.setattr(room, "matmul", lambda *arguments: broken(right(*arguments)))
    case = next(
        c
        for c in gpu_check.checks.cases()
        if c.function == "matmul" and c.name.startswith("matmul 63")
    )
    one = gpu_check.checks.outcome("kernel", case.name, lambda: gpu_check.checks.kernel_error(case))
    assert not one.passed
    assert found in one.found


@pytest.mark.usefixtures("cupy")
def test_the_report_counts_and_its_json_has_all(gpu_check, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu_check, "emulate", lambda: None)  # the fixture did
    monkeypatch.setattr(gpu_check.checks, "operations", lambda _: iter([
        gpu_check.checks.outcome("operation", "exp", lambda: 0.0),
        gpu_check.checks.outcome("operation", "log", lambda: 1 / 0),
    ]))  # fmt: skip
    file = tmp_path / "gpu.json"
    code = gpu_check.main(["--emulated", "--only", "operations", "training", "--json", str(file)])
    out = capsys.readouterr().out
    assert code == 1
    assert "FAILED operation log: ZeroDivisionError" in out
    assert re.search(r"operation\s+1 of\s+2", out)
    assert re.search(r"training\s+4 of\s+4", out)
    record = json.loads(file.read_text())
    assert len(record["checks"]) == 6
    assert record["rows"] == []
    assert record["gpu"]["name"] == "emulated on the CPU"


def test_without_the_emulator_the_error_says_so(gpu_check, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_check, "EMULATOR", tmp_path / "tests")
    with pytest.raises(SystemExit, match="needs the tests of a source checkout"):
        gpu_check.main(["--emulated"])


def test_without_a_gpu_the_error_says_what_to_install(gpu_check, monkeypatch):
    monkeypatch.setitem(gpu_check.sys.modules, "cupy", None)
    with pytest.raises(SystemExit, match="gpu_check: device 'cuda': CuPy is not installed: pip"):
        gpu_check.main([])
