"""benchmarks/gpu_check.py on the emulated GPU: it passes what is right and fails what is not."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from types import SimpleNamespace

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


class Event:
    """CuPy's and PyTorch's event in one: each is 40 ms after the last."""

    now = 0.0

    def __init__(self, enable_timing=False):
        self.moment = None

    def record(self):
        Event.now += 40.0
        self.moment = Event.now

    def synchronize(self):
        assert self.moment is not None

    def elapsed_time(self, end):
        return end.moment - self.moment


@pytest.fixture
def gpu(cupy, monkeypatch):
    """The stand-in with what the timings ask of a GPU beside kernels: a clock, and its name."""
    facts = {
        "name": b"stand-in", "major": 9, "minor": 0, "multiProcessorCount": 4,
        "totalGlobalMem": 2**30,
    }  # fmt: skip
    runtime, cuda = cupy.cuda.runtime, cupy.cuda
    monkeypatch.setattr(cuda, "Event", Event, raising=False)
    monkeypatch.setattr(cuda, "get_elapsed_time", Event.elapsed_time, raising=False)
    monkeypatch.setattr(runtime, "getDeviceProperties", lambda _: facts, raising=False)
    monkeypatch.setattr(runtime, "driverGetVersion", lambda: 13000, raising=False)
    return cupy


@pytest.fixture
def torch_in_its_place(monkeypatch):
    """PyTorch on the CPU, which takes "cuda" for it."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device: self)
    return SimpleNamespace(
        nn=torch.nn, optim=torch.optim, ones_like=torch.ones_like, cdist=torch.cdist,
        from_numpy=torch.from_numpy, tensor=lambda array, device: torch.tensor(array),
        cuda=SimpleNamespace(Event=Event, empty_cache=lambda: None),
    )  # fmt: skip


@pytest.mark.torch
@pytest.mark.usefixtures("gpu")
def test_every_timing_runs_beside_pytorch(
    gpu_check, torch_in_its_place, monkeypatch, capsys, tmp_path
):
    import _gpu_timings

    made = _gpu_timings.benchmarks
    monkeypatch.setattr(_gpu_timings, "benchmarks", lambda torch: made(torch, part=16))
    monkeypatch.setattr(gpu_check, "_torch", lambda: torch_in_its_place)
    monkeypatch.setattr(gpu_check.checks, "training", lambda *_: iter([
        gpu_check.checks.outcome("training", "LeNet", lambda: 0.0)
    ]))  # fmt: skip
    file = tmp_path / "gpu.json"
    arguments = ["--only", "training", "--rounds", "1", "--no-sanitizer", "--json", str(file)]
    assert gpu_check.main(arguments) == 0
    record = json.loads(file.read_text())
    assert record["gpu"]["name"] == "stand-in"
    names = [row["name"] for row in record["rows"]]
    assert len(names) == len(_gpu_timings.CONVOLUTIONS) + 10
    for row in record["rows"]:
        assert row["ours_us"] == row["torch_us"] == [40000]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.endswith("torch   1.00")]
    assert [line[:44].strip() for line in lines] == names


@pytest.mark.usefixtures("gpu")
def test_a_timing_that_fails_does_not_end_the_table(gpu_check, monkeypatch, capsys):
    import _gpu_timings

    found = _gpu_timings.rows({"bad": lambda: 1 / 0, "good": lambda: {"ours": int}}, None, 1, 1e99)
    bad, good = (_gpu_timings.show(row) for row in found)
    assert bad.endswith("FAILED ZeroDivisionError: division by zero")
    assert good.endswith("40000.0 us")
    assert list(_gpu_timings.rows({"late": lambda: {"ours": int}}, None, 1, 0.0)) == []
    assert "no time left for late" in capsys.readouterr().out


def test_checks_end_when_the_time_is_over(gpu_check, capsys):
    two = [gpu_check.checks.outcome("kernel", name, lambda: 0.0) for name in ("one", "two")]
    assert list(gpu_check.in_time(iter(two), 0.0)) == two[:1]
    assert "no time left: the checks end after kernel one" in capsys.readouterr().out
    assert list(gpu_check.in_time(iter(two), 1e99)) == two


def test_the_sanitizers_tools_are_run_and_heard(gpu_check, monkeypatch, tmp_path):
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\ncase $2 in\n'
        'racecheck) echo "========= ERROR SUMMARY: 1 error"; exit 3;;\n'
        "synccheck) exec sleep 60;;\nesac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = {one.name: one for one in gpu_check.sanitizers(time.monotonic() + 3)}
    assert [name for name, one in found.items() if one.passed] == ["memcheck", "initcheck"]
    assert found["racecheck"].found == "AssertionError: ========= ERROR SUMMARY: 1 error"
    assert "not done within the" in found["synccheck"].found
    calls = (tmp_path / "compute-sanitizer.log").read_text().splitlines()
    assert calls[0].startswith(f"--tool memcheck --error-exitcode 3 {sys.executable} ")
    assert calls[0].endswith("gpu_check.py --only kernels --no-timings --no-sanitizer --no-pool")
