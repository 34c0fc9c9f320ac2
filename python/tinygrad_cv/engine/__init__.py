"""The graph: tensors, gates and backprop. Knows no particular op, and no kernel."""

from __future__ import annotations

from tinygrad_cv.engine.backprop import backward, grad
from tinygrad_cv.engine.device import device, get_default_device, set_default_device
from tinygrad_cv.engine.gate import OUT, BinaryGate, Gate, UnaryGate
from tinygrad_cv.engine.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from tinygrad_cv.engine.random import Generator, default_generator, manual_seed
from tinygrad_cv.engine.tensor import Tensor, from_numpy, is_tensor, tensor, wrap

__all__ = [
    "OUT",
    "BinaryGate",
    "Gate",
    "Generator",
    "Tensor",
    "UnaryGate",
    "backward",
    "default_generator",
    "device",
    "enable_grad",
    "from_numpy",
    "get_default_device",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "is_tensor",
    "manual_seed",
    "no_grad",
    "set_default_device",
    "set_grad_enabled",
    "tensor",
    "wrap",
]
