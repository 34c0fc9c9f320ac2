"""Devices: their names, and what this build refuses."""

from __future__ import annotations

import pytest

import tinygrad_cv as tg


def test_names():
    assert (str(tg.device("cpu")), tg.device("cpu").type, tg.device("cpu").index) == (
        "cpu",
        "cpu",
        None,
    )
    cuda = tg.device("cuda:1")
    assert (str(cuda), cuda.type, cuda.index) == ("cuda:1", "cuda", 1)
    assert repr(cuda) == "device('cuda:1')"
    assert tg.device(cuda) == cuda == "cuda:1"
    assert cuda != tg.device("cuda")
    assert len({tg.device("cpu"), tg.device("cpu"), cuda}) == 2


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cpu:", "CPU", "cuda:-1"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="device: expected 'cpu', 'cuda' or 'cuda:<number>', got"):
        tg.device(name)
    with pytest.raises(ValueError, match="device: expected"):
        tg.tensor([1.0], device=name)
    with pytest.raises(ValueError, match="device: expected"):
        tg.zeros(2, device=name)


def test_the_cpu_is_always_there():
    assert tg.tensor([1.0], device="cpu").device == tg.device("cpu")
    assert tg.zeros(2, device=tg.device("cpu")).device == "cpu"
    x = tg.tensor([1.0], device="cpu")
    assert x.to("cpu") is x


def test_the_default_device_is_the_cpu_and_can_only_be_one_that_is_there():
    assert tg.get_default_device() == "cpu"
    with pytest.raises(ValueError, match="device: expected"):
        tg.set_default_device("gpu")
    assert tg.get_default_device() == "cpu"
