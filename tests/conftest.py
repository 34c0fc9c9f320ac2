"""hypothesis profiles, and which marked tests run: what a machine lacks is skipped, and said.

`torch` and `data` tests run where PyTorch is installed or TINYGRAD_CV_DATA is set. `slow`, `network`
and `cuda` tests run when asked for: by `-m` (as in ``-m slow``), or by naming a test's file and
function on the command line.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["on_device"]  # tests/cuda_emulator: the option --device

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=30, **common)
settings.register_profile("quick", max_examples=5, derandomize=True, database=None, **common)
settings.register_profile("ci", derandomize=True, database=None, print_blob=True, **common)
settings.register_profile("thorough", max_examples=2000, print_blob=True, **common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def missing() -> dict[str, str]:
    """For each marker that this machine cannot serve, the reason."""
    reasons = {}
    if find_spec("torch") is None:
        reasons["torch"] = 'PyTorch is not installed: pip install "tinygrad-cv[test-torch]"'
    if not os.environ.get("TINYGRAD_CV_DATA"):
        reasons["data"] = "TINYGRAD_CV_DATA names no folder with the full data sets"
    return reasons


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = missing()
    asked = config.getoption("markexpr")
    for marker in ("slow", "network", "cuda"):
        if not re.search(rf"\b{marker}\b", asked):
            reasons[marker] = f"{marker} test, run by: python -m pytest -m {marker}"
    by_name = any("::" in arg for arg in config.args)
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker) is None:
                continue
            if by_name and marker in ("slow", "network", "cuda"):
                continue
            item.add_marker(pytest.mark.skip(reason=reason))
            break


@pytest.fixture(scope="session")
def _standin_module():
    if shutil.which("g++") is None or platform.machine() != "x86_64":
        pytest.skip("the CUDA emulator needs g++ on an x86-64")
    import standin

    return standin.module()


@pytest.fixture
def cupy(_standin_module, monkeypatch):
    """A strict stand-in in CuPy's place, whose kernels run on the CPU (tests/cuda_emulator)."""
    import standin

    monkeypatch.setitem(sys.modules, "cupy", _standin_module)
    monkeypatch.setattr(standin.Cuda, "schedule", 0)
    return _standin_module
