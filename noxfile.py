"""Tasks: `nox` runs tests, lint and types; `nox -l` lists them all. Options live in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True
STUB = Path("python/tinygrad_cv/_core.pyi")


def dev_tool(name: str) -> str:
    """The requirement of the dev extra that begins with `name`, with its version."""
    extras = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]
    return next(line for line in extras["dev"] if line.startswith(name))


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite, on the package as pip installs it."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style of Python, C++ and prose."""
    session.install(*map(dev_tool, ("ruff", "clang-format", "codespell")))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    sources = [
        str(f) for kind in ("h", "cpp", "cu") for f in sorted(Path("csrc").rglob(f"*.{kind}"))
    ]
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the package."""
    session.install(dev_tool("mypy"), "numpy>=2.0")
    session.run("mypy")


@nox.session(venv_backend="none")
def sanitize(session: nox.Session) -> None:
    """Kernel tests under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer."""
    session.run("bash", "tests/sanitizers/run.sh", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmarks against PyTorch: names of benchmarks (conv, gemm, ...), by default all."""
    session.install(".[test]", "torch")
    names = session.posargs or [
        f.stem[: -len("_bench")] for f in Path("benchmarks").glob("*_bench.py")
    ]
    for name in sorted(names):
        session.run("python", f"benchmarks/{name}_bench.py")


@nox.session
def stubs(session: nox.Session) -> None:
    """Writes the stub of the extension, tinygrad_cv/_core.pyi, from the extension itself."""
    session.install(".", dev_tool("pybind11-stubgen"), dev_tool("ruff"))
    folder = session.create_tmp()
    session.run("pybind11-stubgen", "tinygrad_cv._core", "--exit-code", "-o", folder)
    lines = (Path(folder) / "tinygrad_cv" / "_core.pyi").read_text().splitlines(keepends=True)
    # The extension has no __all__; the one that the generator writes names its module attributes too.
    STUB.write_text("".join(line for line in lines if not line.startswith("__all__")))
