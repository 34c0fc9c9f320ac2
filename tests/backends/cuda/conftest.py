"""The CUDA room on the emulator, under four orders of threads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cv import backends
from tinygrad_cv.backends.cuda import sources

if "CUDA_MUTANT" in os.environ:  # sources that tests/cuda_emulator/mutate.py broke on purpose
    sources.FOLDER = Path(os.environ["CUDA_MUTANT"])


@pytest.fixture
def gpu(cupy):
    """CuPy's stand-in, and beside it ``gpu.room``, the room of its arrays."""
    cupy.room = backends.backend_for(cupy.empty(1))
    return cupy


@pytest.fixture(params=[0, 1, 2, 3], ids=["ascending", "descending", "random", "other random"])
def schedule(request, cupy):
    """In which order the emulator runs the threads of a block."""
    from standin import Cuda

    Cuda.schedule = request.param
    return request.param


@pytest.fixture
def rng(request):
    """Random numbers, other ones for every test."""
    return np.random.default_rng(list(request.node.name.encode()))
