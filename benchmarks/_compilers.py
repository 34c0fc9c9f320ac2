"""JAX and onnxruntime, which compile a computation before it runs, each in a process of its own.

Run as ``python _compilers.py NAME THREADS``. A request prepares a convolution or a training step;
the next ones run it and say how long that took, so that no time goes into talking.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _worker import Worker, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NEEDS = {"jax": ("jax",), "onnxruntime": ("onnxruntime", "onnx")}


def installed(names: list[str]) -> list[str]:
    """Those of the libraries that are there."""
    return [name for name in names if all(find_spec(needed) for needed in NEEDS[name])]


class Compiler(Worker):
    """A library that was asked to run in its own process."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(__file__, name, threads)

    def convolution(self, op: str, shape: dict[str, Any], data: Any) -> Prepared:
        """A convolution of `data`: input, weight, bias and, for the gradients, that of the output."""
        names = ("x", "w", "b", "grad")
        return self._prepare("convolution", dict(zip(names, data, strict=True)), op=op, shape=shape)

    def training(self, net: int, optimizer: str, state: Any, batches: list[Any]) -> Prepared:
        """Training steps of network number `net`, from the values in `state` on."""
        arrays = {f"state.{name}": value for name, value in state.items()}
        for i, (x, y) in enumerate(batches):
            arrays |= {f"x{i}": x, f"y{i}": y}
        return self._prepare("training", arrays, net=net, optimizer=optimizer)

    def _prepare(self, what: str, arrays: dict[str, NDArray[Any]], **settings: Any) -> Prepared:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "arrays.npz"
            np.savez(path, **arrays)
            self.ask(prepare=what, path=str(path), settings=settings)
        return Prepared(self)


class Prepared:
    """What a compiler has ready: calling it runs it there once."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler

    def __call__(self) -> Any:
        """The result: the last array that it gives."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result.npy"
            self.compiler.ask(save=str(path))
            return np.load(path)

    def timed(self, count: int) -> float:
        """Seconds of so many runs, measured there."""
        seconds: float = self.compiler.ask(repeat=count)
        return seconds


class Session:
    """The worker's side: what was prepared last."""

    def __init__(self, kinds: dict[str, Callable[..., Callable[[], Any]]]) -> None:
        self.kinds = kinds
        self.run: Callable[[], Any] = lambda: None

    def answer(
        self,
        prepare: str | None = None,
        path: str = "",
        settings: dict[str, Any] | None = None,
        save: str | None = None,
        repeat: int = 0,
    ) -> float | None:
        if prepare is not None:
            with np.load(path) as arrays:
                self.run = self.kinds[prepare](dict(arrays), **(settings or {}))
            return None
        if save is not None:
            np.save(save, np.asarray(self.run()))
            return None
        t0 = time.perf_counter()
        for _ in range(repeat):
            self.run()
        return time.perf_counter() - t0


def jax_session(threads: int) -> tuple[str, Session]:
    """JAX has a thread for each core that it may use, and no other way to say how many."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax
    from _jax_side import convolution, training

    return jax.__version__, Session({"convolution": convolution, "training": training})


def onnxruntime_session(threads: int) -> tuple[str, Session]:
    """onnxruntime's threads spin while it runs; they stop when it ends, since we run in between."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")

    def convolution(arrays: dict[str, Any], op: str, shape: dict[str, Any]) -> Callable[[], Any]:
        if op != "forward":
            raise ValueError(f"onnxruntime: only forward, got {op!r}")
        session = onnxruntime.InferenceSession(_onnx_model(arrays, shape), options)
        inputs = {"x": arrays["x"]}
        return lambda: session.run(None, inputs)[0]

    return onnxruntime.__version__, Session({"convolution": convolution})


def _onnx_model(arrays: dict[str, Any], shape: dict[str, Any]) -> bytes:
    """One convolution as a model: weight and bias are constants, which the session may repack."""
    from onnx import TensorProto, helper, numpy_helper

    stride, padding = [shape["stride"]] * 2, [shape["padding"]] * 4
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], strides=stride, pads=padding, group=shape["groups"]
    )
    graph = helper.make_graph(
        [node],
        "conv2d",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, arrays["x"].shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(arrays[name], name) for name in ("w", "b")],
    )
    # An old version of the format, which every session reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized


SESSIONS = {"jax": jax_session, "onnxruntime": onnxruntime_session}

if __name__ == "__main__":
    version, session = SESSIONS[sys.argv[1]](int(sys.argv[2]))
    serve(version, session.answer)
