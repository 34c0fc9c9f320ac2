"""Several threads build and differentiate graphs at once."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import tinygrad_cv as tg


@pytest.fixture
def eager_switching():
    """Threads take turns a thousand times more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work, count=4):
    errors, start = [], threading.Barrier(count)

    def run(number):
        start.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_threads_build_and_differentiate_their_own_graphs(eager_switching):
    def work(number):
        for _ in range(40):
            x = tg.tensor(np.full(3, 1.0 + number), requires_grad=True)
            y = x
            for _ in range(20):
                y = y * x / x + 0.0
            y.sum().backward()
            np.testing.assert_allclose(x.grad.numpy(), 1)

    in_threads(work)


def test_threads_share_inputs_and_differ_in_mode(eager_switching):
    w = tg.tensor(np.arange(3.0), requires_grad=True)

    def work(number):
        for _ in range(100):
            if number % 2:
                with tg.no_grad():
                    assert not (w * w).requires_grad
            else:
                y = (w * w).sum()
                np.testing.assert_array_equal(tg.grad(y, w)[0].numpy(), 2 * np.arange(3.0))

    in_threads(work)


def test_one_recorded_graph_is_differentiated_by_several_threads(eager_switching):
    x = tg.tensor(np.arange(3.0), requires_grad=True)
    y = (x.exp() * x).sum()
    want = np.exp(np.arange(3.0)) * (1 + np.arange(3.0))

    def work(number):
        for _ in range(20):
            (dx,) = tg.grad(y, x, retain_graph=True, create_graph=bool(number % 2))
            np.testing.assert_allclose(dx.detach().numpy(), want)

    in_threads(work)


def test_threads_share_arrays_with_numpy(eager_switching):
    a = np.ones(3)

    def work(number):
        for _ in range(100):
            x = tg.from_numpy(a).requires_grad_()
            y = (x * x).sum()
            y.backward()
            assert x.grad.tolist() == [2, 2, 2]

    in_threads(work)
    assert a.flags.writeable
