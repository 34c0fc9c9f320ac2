"""Every public name says what it is, and the examples of the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import tinygrad_cv as tg

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(tg.__path__, "tinygrad_cv.")
    if not info.name.endswith(("._core", ".__main__"))
)
PUBLIC = [name for name in ["tinygrad_cv", *MODULES] if "_" not in {p[0] for p in name.split(".")}]


@pytest.fixture
def module(request):
    name = request.param
    if name.startswith("tinygrad_cv.backends.cuda."):
        request.getfixturevalue("cupy")  # a stand-in, where it is not installed
    return importlib.import_module(name)


@pytest.mark.parametrize("module", ["tinygrad_cv", *MODULES], indirect=True)
def test_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(
        module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False
    )
    assert failed == 0


@pytest.mark.parametrize("module", PUBLIC, indirect=True)
def test_public_names_have_docstrings(module):
    name = module.__name__
    assert (module.__doc__ or "").strip()
    for attribute in getattr(module, "__all__", ()):
        thing = getattr(module, attribute)
        if inspect.ismodule(thing) or inspect.isclass(thing) or inspect.isroutine(thing):
            assert (thing.__doc__ or "").strip(), f"{name}.{attribute} has no docstring"
        if inspect.isclass(thing) and thing.__module__.startswith("tinygrad_cv"):
            for method, value in vars(thing).items():
                if not method.startswith("_") and inspect.isroutine(value):
                    assert (
                        value.__doc__ or inspect.getdoc(getattr(thing, method)) or ""
                    ).strip(), f"{name}.{attribute}.{method} has no docstring"
