"""Activation functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.functional.methods import float_tensor, tensor_method
from tinygrad_cv.gates import activation as gates
from tinygrad_cv.gates.arithmetic import Exp
from tinygrad_cv.gates.loss import LogSoftmax

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


@tensor_method()
def relu(input: Tensor) -> Tensor:
    """max(0, input), elementwise; the gradient at 0 is 0."""
    return gates.Relu()(input)


@tensor_method()
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)), elementwise."""
    return gates.Sigmoid()(float_tensor(input, "sigmoid"))


@tensor_method(ufunc="tanh")
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent, elementwise."""
    return gates.Tanh()(float_tensor(input, "tanh"))


@tensor_method()
def log_softmax(input: Tensor, dim: int) -> Tensor:
    """input - log Σ exp(input) along `dim`; scores of 1e4 do not overflow."""
    return LogSoftmax(dim)(float_tensor(input, "log_softmax"))


@tensor_method()
def softmax(input: Tensor, dim: int) -> Tensor:
    """exp(input) / Σ exp(input) along `dim`: positive, and 1 in sum."""
    return Exp()(LogSoftmax(dim)(float_tensor(input, "softmax")))
