"""The structure of the house: imports run one way, and importing loads NumPy and nothing else."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_cv as tg
from tinygrad_cv import _core

PACKAGE = Path(tg.__file__).parent

# For each package or module, which others it may import, inside functions as well.
MAY_IMPORT = {
    "dtypes": set(),
    "files": set(),
    "optional": set(),
    "config": {"_core"},
    "_openmp": set(),
    "backends": {"_core"},
    "engine": {"_core", "backends"},
    "gates": {"engine", "backends"},
    "functional": {"gates", "engine", "backends"},
    "linalg": {"functional"},
    "amp": {"engine", "backends", "optim"},
    "autograd": {"engine", "testing"},
    "cuda": {"engine", "backends"},
    "serialization": {"engine", "files", "optional"},
    "nn": {"functional", "engine"},
    "optim": {"engine", "backends"},
    "models": {"nn", "functional", "engine"},
    "data": {"engine", "files", "optional", "_core"},
    "utils": {"data", "engine"},
    "testing": {"functional", "engine", "linalg", "optional"},
    "neighbors": {"engine", "backends", "optional"},
    "linear_model": {"functional", "nn", "optim", "engine", "optional"},
    "training": {
        "amp", "models", "nn", "optim", "data", "functional", "engine", "files", "serialization",
        "optional",
    },
    "ensemble": {"training", "nn", "functional", "engine"},
    "viz": {"training", "nn", "data", "functional", "engine", "files", "optional"},
    "__init__": {"functional", "engine", "backends", "dtypes", "_core", "_openmp"},
    "__main__": {"cli"},
}  # fmt: skip
# The command line stands on top and may import all of them.
ON_TOP = {"cli"}


def parts():
    """The package's packages and modules by name, with their files."""
    files = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        files.setdefault(name, []).append(file)
    return files


def imported(file):
    """Which parts of this package a file imports, wherever in it."""
    seen = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            if node.module == "tinygrad_cv":
                names = [f"tinygrad_cv.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            if package == "tinygrad_cv":
                seen.add(rest.partition(".")[0] or "__init__")
    return seen


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_run_one_way(part):
    for file in parts().get(part, ()):
        beyond = imported(file) - {part} - MAY_IMPORT[part]
        assert not beyond, f"{file.relative_to(PACKAGE)} imports {sorted(beyond)}"


def test_every_part_has_its_place():
    assert set(parts()) - ON_TOP == set(MAY_IMPORT)


def test_the_directions_have_no_cycle():
    waiting = {name: set(may) - {"_core"} for name, may in MAY_IMPORT.items()}
    while waiting:
        free = {name for name, may in waiting.items() if not may & waiting.keys()}
        assert free, f"a cycle among {sorted(waiting)}"
        waiting = {name: may for name, may in waiting.items() if name not in free}


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_loads_numpy_and_no_other_package():
    loaded = run(
        """
import sys
before = set(sys.modules)
import tinygrad_cv
new = set(sys.modules) - before
files = {name.partition(".")[0] for name in new if getattr(sys.modules[name], "__file__", None)}
print(*sorted(files - set(sys.stdlib_module_names)))
"""
    )
    assert loaded == ["numpy", "tinygrad_cv"]


def test_importing_loads_nothing_of_its_own_that_is_not_needed_yet():
    loaded = run("import sys, tinygrad_cv; print(*sys.modules)")
    names = ("autograd", "cli", "data", "models", "nn", "optim", "testing", "training", "viz")
    assert {f"tinygrad_cv.{name}" for name in names} & set(loaded) == set()


def test_parts_load_on_first_use():
    assert run("import tinygrad_cv as tg; print(tg.nn.Linear.__name__)") == ["Linear"]


@pytest.mark.parametrize("name", tg.__all__)
def test_every_public_name_is_there(name):
    assert getattr(tg, name) is not None
    assert name in dir(tg)


def test_public_names_are_listed_once():
    assert len(set(tg.__all__)) == len(tg.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tinygrad_cv' has no attribute 'tensro'"):
        tg.tensro  # noqa: B018


def test_the_extension_is_of_this_version():
    """Else a stale build is tested."""
    assert importlib.metadata.version("tinygrad-cv") == _core.__version__ == tg.__version__
