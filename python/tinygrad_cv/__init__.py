"""Automatic differentiation for computer vision with C++ and CUDA kernels."""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import Any

import tinygrad_cv._openmp  # noqa: F401  first: loads the extension
from tinygrad_cv import functional as functional
from tinygrad_cv._core import __version__
from tinygrad_cv.backends import use_backend
from tinygrad_cv.dtypes import (
    bool,
    double,
    float,
    float16,
    float32,
    float64,
    half,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    short,
    uint8,
)
from tinygrad_cv.engine import (
    Gate,
    Generator,
    Tensor,
    backward,
    device,
    enable_grad,
    from_numpy,
    get_default_device,
    grad,
    inference_mode,
    is_grad_enabled,
    is_tensor,
    manual_seed,
    no_grad,
    set_default_device,
    set_grad_enabled,
    tensor,
)
from tinygrad_cv.engine.anomaly import detect_anomaly
from tinygrad_cv.functional import *  # noqa: F403

# Loaded on first use, so that importing the package loads NumPy and the extension alone.
_LAZY = {
    "amp": "tinygrad_cv.amp",
    "autograd": "tinygrad_cv.autograd",
    "backends": "tinygrad_cv.backends",
    "cuda": "tinygrad_cv.cuda",
    "data": "tinygrad_cv.data",
    "ensemble": "tinygrad_cv.ensemble",
    "linalg": "tinygrad_cv.linalg",
    "linear_model": "tinygrad_cv.linear_model",
    "models": "tinygrad_cv.models",
    "neighbors": "tinygrad_cv.neighbors",
    "nn": "tinygrad_cv.nn",
    "optim": "tinygrad_cv.optim",
    "testing": "tinygrad_cv.testing",
    "training": "tinygrad_cv.training",
    "utils": "tinygrad_cv.utils",
    "viz": "tinygrad_cv.viz",
}
_LAZY_NAMES = {
    "autocast": "tinygrad_cv.amp",
    "checkpoint": "tinygrad_cv.autograd",
    "get_num_threads": "tinygrad_cv.config",
    "hessian": "tinygrad_cv.autograd",
    "hvp": "tinygrad_cv.autograd",
    "jacobian": "tinygrad_cv.autograd",
    "jvp": "tinygrad_cv.autograd",
    "load": "tinygrad_cv.serialization",
    "save": "tinygrad_cv.serialization",
    "set_num_threads": "tinygrad_cv.config",
    "show_config": "tinygrad_cv.config",
    "value_and_grad": "tinygrad_cv.autograd",
    "vjp": "tinygrad_cv.autograd",
}

__all__ = [
    "Gate",
    "Generator",
    "Tensor",
    "__version__",
    "backward",
    "bool",
    "detect_anomaly",
    "device",
    "double",
    "e",
    "enable_grad",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "get_default_device",
    "grad",
    "half",
    "inf",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_tensor",
    "long",
    "manual_seed",
    "nan",
    "no_grad",
    "pi",
    "set_default_device",
    "set_grad_enabled",
    "short",
    "tensor",
    "uint8",
    "use_backend",
    *functional.__all__,
    *_LAZY,
    *_LAZY_NAMES,
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return import_module(_LAZY[name])
    if name in _LAZY_NAMES:
        return getattr(import_module(_LAZY_NAMES[name]), name)
    raise AttributeError(f"module 'tinygrad_cv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
