"""Opponents compute what we do, in processes of their own; a run is held to an instruction set."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import _core

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture
def benchmarks(monkeypatch):
    """The benchmarks' modules can be imported, and are forgotten again."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) is not None and str(
            sys.modules[name].__file__
        ).startswith(BENCHMARKS):
            del sys.modules[name]


@pytest.fixture
def compiler(benchmarks, request):
    from _compilers import Compiler, installed

    if not installed([request.param]):
        pytest.skip(f"{request.param} is not installed")
    made = Compiler(request.param, 1)
    yield made
    made.close()


@pytest.mark.parametrize("compiler", ["jax", "onnxruntime"], indirect=True)
def test_compilers_give_our_convolution(compiler):
    from conv_bench import COMPILED, Shape, arrays, compiled, ours

    shape = Shape("small", 2, 4, 7, 6, 3, 2, 1, 2)
    data = arrays(shape)
    for name in COMPILED[compiler.name]:
        want = ours(shape, data)[name]()
        (call,) = compiled([compiler], name, shape, data, want).values()
        np.testing.assert_allclose(call(), want, rtol=1e-4, atol=1e-4)
        assert call.timed(2) > 0
        with pytest.raises(SystemExit, match=f"{compiler.name} differs"):
            compiled([compiler], name, shape, data, want * 1.1)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["jax"], indirect=True)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_jax_takes_our_training_steps(compiler, optimizer):
    from _networks import NETS
    from train_bench import compare, contestants

    (net,) = (net for net in NETS if (net.name, net.batch) == ("lenet", 32))
    sides = contestants(net, optimizer, None, False, [compiler])
    compare(sides)
    assert set(sides) == {"ours", "jax"}


def test_a_run_held_to_an_instruction_set_starts_anew(benchmarks, monkeypatch):
    import _harness as harness

    class Started(Exception):
        pass

    def execve(path, arguments, environment):
        raise Started(path, arguments, environment)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(harness, "_refuse_two_runtimes", lambda: None)  # this process may have two
    monkeypatch.setattr(sys, "argv", ["conv_bench.py", "--isa", "avx2"])
    monkeypatch.delenv("TINYGRAD_CV_ISA", raising=False)
    options = harness.parser("").parse_args(["--isa", "avx2", "--no-torch"])
    with pytest.raises(Started) as started:
        harness.start(options)
    path, arguments, environment = started.value.args
    assert (path, arguments) == (sys.executable, [sys.executable, "conv_bench.py", "--isa", "avx2"])
    assert environment["TINYGRAD_CV_ISA"] == "avx2"
    assert environment["ATEN_CPU_CAPABILITY"] == "avx2"
    monkeypatch.setenv("TINYGRAD_CV_ISA", "avx2")
    assert harness.start(options) is None  # it has started anew already


def test_its_record_is_a_family_of_its_own(benchmarks, tmp_path):
    import _harness as harness

    options = argparse.Namespace(isa="avx2", rounds=1, json=tmp_path / "record.json")
    harness.write_json(options, "conv2d", [], None, {"jax": "0.9"})
    record = json.loads(options.json.read_text())
    assert record["family"] == "conv2d-avx2"
    assert record["versions"]["jax"] == "0.9"
    assert record["machine"]["isa"] == _core.isa()
    assert record["threads"] == tg.get_num_threads()
