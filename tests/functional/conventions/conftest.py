"""Each row of docs/conventions.md is a test named after it, on every backend.

A row whose last column says "the same" runs on PyTorch too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tinygrad_cv as tg

PAGE = Path(__file__).parents[3] / "docs" / "conventions.md"
ROW = re.compile(r"^\| (?P<case>[^|]+) \| [^|]+ \| (?P<torch>[^|]+) \|$", re.M)


def rows() -> dict[str, str]:
    """What the page says of PyTorch, by the name of the row's test."""
    found = [m for m in ROW.finditer(PAGE.read_text(encoding="utf-8")) if m["case"] != "case"]
    return {"test_" + "_".join(re.findall(r"\w+", m["case"].lower())): m["torch"] for m in found}


def pytest_generate_tests(metafunc):
    if "lib" in metafunc.fixturenames:
        libs = ["cpp", "reference"]
        if rows().get(metafunc.function.__name__) == "the same":
            libs.append(pytest.param("torch", marks=pytest.mark.torch))
        metafunc.parametrize("lib", libs, indirect=True)


@pytest.fixture(scope="session")
def page():
    """The names of the tests that the page's rows ask for."""
    return sorted(rows())


@pytest.fixture
def lib(request):
    """Our package on one of its backends, or PyTorch."""
    if request.param == "torch":
        yield pytest.importorskip("torch")
        return
    with tg.use_backend(request.param):
        yield tg


@pytest.fixture
def F(lib):
    return lib.nn.functional


@pytest.fixture
def gradient(lib):
    """The gradients of the sum of what a function gives, for float64 inputs."""

    def compute(function, *inputs):
        leaves = [lib.tensor(x, dtype=lib.float64, requires_grad=True) for x in inputs]
        function(*leaves).sum().backward()
        grads = [leaf.grad.tolist() for leaf in leaves]
        return grads if len(grads) > 1 else grads[0]

    return compute
