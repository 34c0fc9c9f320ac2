"""Denormal numbers: zeros inside kernels, on all of their threads, and nobody else's business."""

from __future__ import annotations

import ctypes
import platform
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv import _core

FLUSHES = platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64")
TINY = np.float32(1e-40)  # float32 is normal from 1.2e-38 on


@pytest.fixture
def two_threads():
    before = tg.get_num_threads()
    tg.set_num_threads(2)
    yield
    tg.set_num_threads(before)


def keeps_denormals():
    """Whether the thread that asks computes with them, in a loop of NumPy's."""
    return bool((np.full(16, TINY) * np.float32(1)).all())


def openmp():
    """The OpenMP runtime that the extension loaded, where it can be asked."""
    maps = Path("/proc/self/maps")
    loaded = re.findall(r"\S*/libgomp\.so\S*", maps.read_text()) if maps.exists() else []
    return ctypes.CDLL(loaded[0]) if _core.has_openmp() and loaded else None


def answers_of_the_team():
    """`keeps_denormals` on this thread and on the one that helped it in the last kernel."""
    runtime = openmp()
    if runtime is None:
        return {threading.get_ident(): keeps_denormals()}
    found = {}
    both = threading.Barrier(2, timeout=60)

    def ask(_):
        found[threading.get_ident()] = keeps_denormals()
        both.wait()

    runtime.GOMP_parallel(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ask), None, 2, 0)
    return found


def convolution(x):
    return F.conv2d(x.reshape(4, 16, 32, 32), tg.ones(16, 16, 3, 3))


KERNELS = {
    "matmul": lambda x: x @ tg.ones(512, 512),
    "conv2d": convolution,
    "sum": lambda x: x.sum(dim=1),
    "multiply": lambda x: x * tg.full((128, 512), 1.5),
    "batch_norm": lambda x: F.batch_norm(
        x.reshape(4, 16, 32, 32), tg.zeros(16), tg.ones(16), training=False
    ),
    "avg_pool2d": lambda x: F.avg_pool2d(x.reshape(4, 16, 32, 32), 2),
    "log_softmax": lambda x: F.log_softmax(x, dim=1),
}


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_as_accurate_as_zeros_in_their_place_and_leaves_the_mode_alone(
    name, two_threads
):
    x = tg.full((128, 512), float(TINY))
    got = KERNELS[name](x).numpy()
    with tg.use_backend("reference"):
        kept, flushed = (KERNELS[name](v).numpy() for v in (x, tg.zeros(128, 512)))
    error = np.minimum(abs(got - kept), abs(got - flushed))
    assert error.max() <= 1e-6 * abs(flushed).max() + np.finfo(np.float32).tiny
    assert keeps_denormals()


def test_every_thread_of_a_kernel_flushes_and_none_does_afterwards(two_threads):
    """Not even a thread that was made inside a kernel, which begins with its maker's mode."""
    products = (tg.full((512, 512), float(TINY)) @ tg.ones(512, 512)).numpy()
    assert not products.any() or not FLUSHES
    found = answers_of_the_team()
    assert len(found) == (2 if openmp() else 1)
    assert all(found.values())


def test_a_training_step_leaves_the_mode_alone(two_threads):
    net = tg.nn.Linear(300, 300)
    tg.nn.init.constant_(net.weight, float(TINY))
    adam = tg.optim.Adam(net.parameters())
    for _ in range(2):
        F.mse_loss(net(tg.ones(300, 300)), tg.zeros(300, 300)).backward()
        adam.step()
    assert np.isfinite(net.weight.numpy()).all()
    assert all(answers_of_the_team().values())
