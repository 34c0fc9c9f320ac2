"""What this build and machine have, and how many threads the kernels use."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec

import numpy as np

from tinygrad_cv import _core


def get_num_threads() -> int:
    """Threads that the C++ kernels may use."""
    return _core.get_num_threads()


def set_num_threads(threads: int) -> None:
    """Let the C++ kernels use so many threads.

    Parameters
    ----------
    threads : int, at least 1
        The default is what OMP_NUM_THREADS says, else the number of processors.

    Raises
    ------
    ValueError
        Fewer than one.
    """
    _core.set_num_threads(threads)


def config() -> dict[str, str]:
    """What `show_config` prints, by name."""
    return {
        "tinygrad_cv": _core.__version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": _core.compiler,
        "instruction set": f"{_core.isa()} (of {', '.join(_core.available_isas())})",
        "threads": str(_core.get_num_threads()),
        "OpenMP": "yes" if _core.has_openmp() else "no: kernels run on one thread",
        "CuPy": _cupy(),
    }


def _cupy() -> str:
    if find_spec("cupy") is None:
        return "not installed"
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        count = 0
    return f"{cupy.__version__}, {count or 'no'} GPU{'' if count == 1 else 's'}"


def show_config() -> None:
    """Print versions, instruction set, threads, and whether CuPy and a GPU are there."""
    for name, value in config().items():
        print(f"{name:16s} {value}")  # noqa: T201
