"""PyTorch's places for things that live elsewhere here."""

from __future__ import annotations

import math

import tinygrad_cv.utils.data
from tinygrad_cv.autograd.functional import jacobian, vhp
from tinygrad_cv.utils.data import DataLoader

import tinygrad_cv as tg
import tinygrad_cv.autograd
from tinygrad_cv.utils.checkpoint import checkpoint


def test_utils_data_is_data():
    assert tg.utils.data is tg.data
    assert DataLoader is tg.data.DataLoader


def test_derivatives_are_found_under_both_names():
    assert tg.autograd.grad is tg.grad
    assert tg.autograd.jacobian is tg.jacobian
    assert checkpoint is tg.checkpoint
    assert jacobian is tg.autograd.functional.jacobian is tg.jacobian
    assert vhp(lambda x: (x**3).sum(), tg.tensor([2.0]), tg.tensor([5.0]))[1].tolist() == [60]
    assert tg.autograd.gradcheck is tg.testing.gradcheck
    assert tg.autograd.gradgradcheck is tg.testing.gradgradcheck


def test_autograd_backward_adds_up_over_tensors():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    tg.autograd.backward([y, y.sum()], [tg.tensor([1.0, 10.0]), None])
    assert x.grad.tolist() == [4.0, 44.0]


def test_numbers_that_torch_has():
    assert (tg.pi, tg.e, tg.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(tg.nan)


def test_the_device_that_scripts_choose():
    place = tg.device("cuda" if tg.cuda.is_available() else "cpu")
    assert tg.zeros(2, device=place).device.type == place.type
