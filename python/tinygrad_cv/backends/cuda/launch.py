"""How a kernel is launched: compiled on first use, every argument checked against its source."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cupy as cp
import numpy as np

from tinygrad_cv.backends.cuda.sources import kernels, source

if TYPE_CHECKING:
    from tinygrad_cv.backends.cuda.sources import Kernel, Parameter

__all__ = ["has_tensor_cores", "launch", "processors", "suffix", "threads_for"]

# CuPy passes Python numbers to a kernel as 64 bits, whatever it takes, so nothing goes unconverted.
_OPTIONS = ("-std=c++17",)
_MOST_BLOCKS = 2**31 - 1  # of a grid's x, the only dimension used: y and z stop at 65,535
_BLOCKS_A_PROCESSOR = (
    32  # of a loop over elements: enough to hide latency, few enough to start fast
)


@cache
def _module(stem: str, device: int) -> Any:  # noqa: ARG001  a module belongs to one device
    return cp.RawModule(code=source(stem), options=_OPTIONS)


@cache
def _function(stem: str, name: str, device: int) -> tuple[Any, Kernel]:
    return _module(stem, device).get_function(name), kernels(stem)[name]


def launch(stem: str, name: str, blocks: int, *args: Any) -> None:
    """Run `blocks` blocks of a kernel on the current stream; none for 0.

    Arrays must have the dtype of the pointer, None is a null pointer, numbers are converted to the
    parameter's type and must fit in it.
    """
    function, kernel = _function(stem, name, cp.cuda.Device().id)
    if len(args) != len(kernel.parameters):
        raise TypeError(f"{name}: takes {len(kernel.parameters)} arguments, got {len(args)}")
    if blocks > _MOST_BLOCKS:
        raise ValueError(f"{name}: {blocks} blocks, but a launch has at most {_MOST_BLOCKS}")
    values = tuple(map(_argument, [name] * len(args), kernel.parameters, args))
    if blocks:
        function((blocks,), (kernel.block,), values)


def _argument(kernel: str, parameter: Parameter, given: Any) -> Any:
    if parameter.is_pointer:
        if given is None:
            return np.uint64(0)
        if not isinstance(given, cp.ndarray) or given.dtype != parameter.dtype:
            kind = f"{type(given).__name__} of {getattr(given, 'dtype', type(given).__name__)}"
            raise TypeError(f"{kernel}: {parameter.name} must be {parameter.dtype}, got {kind}")
        return given
    if parameter.dtype.kind == "f":
        return parameter.dtype.type(given)
    limits = np.iinfo(parameter.dtype)
    if not limits.min <= given <= limits.max:
        raise ValueError(
            f"{kernel}: {parameter.name} is {given}, but must be at most {limits.max}: split the batch"
        )
    return parameter.dtype.type(given)


@cache
def _processors(device: int) -> int:
    return int(cp.cuda.Device(device).attributes["MultiProcessorCount"])


def processors() -> int:
    """Streaming multiprocessors of the current device."""
    return _processors(cp.cuda.Device().id)


@cache
def _major(device: int) -> int:
    return int(cp.cuda.Device(device).attributes["ComputeCapabilityMajor"])


def has_tensor_cores() -> bool:
    """Whether the current device multiplies TF32, BF16 and F16 by `mma.sync`: Ampere (sm_80) and later do."""
    return _major(cp.cuda.Device().id) >= 8


def threads_for(elements: int, block: int = 256) -> int:
    """Blocks of a loop over `elements`: one thread each, up to 32 blocks a multiprocessor."""
    return min(-(-elements // block), _BLOCKS_A_PROCESSOR * processors())


def suffix(dtype: np.dtype[Any]) -> str:
    """How a kernel's name ends: f32, f64, u8 or i32."""
    return f"{dtype.kind}{8 * dtype.itemsize}"
