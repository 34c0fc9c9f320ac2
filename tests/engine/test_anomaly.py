"""detect_anomaly names the gate and the user's line where NaN or infinity first appears."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import Gate, watch

HERE = r"test_anomaly\.py:\d+ in test_"


class BadBackward(Gate):
    def forward(self, x):
        return x * 1.0

    def backward(self, grad):
        out = grad + 0.0
        out[1] = np.nan
        return (out,)


@pytest.fixture
def x():
    return tg.tensor([1.0, 0.0], requires_grad=True)


def test_forward(x):
    where = rf"Log gave -inf at index \(1,\) of its value, at .*{HERE}"
    with pytest.raises(RuntimeError, match=where), tg.detect_anomaly():
        x.log()


def test_backward(x):
    y = r"BadBackward gave nan at index \(1,\) of the gradient for its input 0; the gate was made "
    with pytest.raises(RuntimeError, match=rf"{y}at .*{HERE}"), tg.detect_anomaly():
        BadBackward()(x * 2).sum().backward()


def test_a_gate_made_before_is_said_to_be_unwatched(x):
    y = BadBackward()(x).sum()
    with pytest.raises(RuntimeError, match="made at an unwatched line"), tg.detect_anomaly():
        y.backward()


def test_the_line_is_the_one_that_made_the_gate():
    with tg.detect_anomaly():
        bad = "x.log()  # this one"
        x = tg.tensor(0.0)
        with pytest.raises(RuntimeError) as caught:
            x.log()  # this one
    line = int(str(caught.value).rpartition("test_anomaly.py:")[2].split()[0])
    with open(__file__) as file:
        assert file.readlines()[line - 1].strip() == bad


def test_outside_and_switched_off_nothing_is_said(x):
    with tg.detect_anomaly(), tg.detect_anomaly(False):
        y = x.log()
    assert y.tolist()[1] == -np.inf
    BadBackward()(x).sum().backward()
    assert np.isnan(x.grad.tolist()[1])


def test_finite_passes_go_through(x):
    reasons = watch.reasons
    with tg.detect_anomaly():
        (x * x).sum().backward()
    assert x.grad.tolist() == [2, 0]
    assert watch.reasons == reasons


def test_it_belongs_to_the_thread(x):
    seen = []
    with tg.detect_anomaly():
        thread = threading.Thread(target=lambda: seen.append(x.log().tolist()[1]))
        thread.start()
        thread.join()
    assert seen == [-np.inf]
