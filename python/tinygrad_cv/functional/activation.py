"""Activation functions; with ``inplace=True`` the result is written over the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.functional.arithmetic import mul
from tinygrad_cv.functional.casting import to
from tinygrad_cv.functional.inplace import update
from tinygrad_cv.functional.methods import dim_index, float_tensor, require_float, tensor_method
from tinygrad_cv.gates import activation as gates
from tinygrad_cv.gates.exponential import Exp
from tinygrad_cv.gates.loss import LogSoftmax

if TYPE_CHECKING:
    from tinygrad_cv.engine.gate import UnaryGate

# Klambauer et al. 2017, "Self-normalizing neural networks", equation 14
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@tensor_method()
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, input), elementwise; the gradient at 0 is 0."""
    if input.__class__ is not Tensor and not isinstance(input, Tensor):
        raise TypeError(f"relu: input must be a Tensor, got {type(input).__name__}")
    return update("relu", input, gates.Relu()) if inplace else gates.Relu()(input)


@tensor_method()
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)), elementwise."""
    return gates.Sigmoid()(float_tensor(input, "sigmoid"))


@tensor_method(ufunc="tanh")
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent, elementwise."""
    return gates.Tanh()(float_tensor(input, "tanh"))


def _log_softmax(where: str, input: Tensor, dim: int, dtype: Any) -> Any:
    input = float_tensor(input, where) if dtype is None else to(input, dtype)
    axis = dim_index(where, dim, input.ndim)
    return LogSoftmax(axis if input.ndim else None)(input)


@tensor_method()
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """input - log Σ exp(input) along `dim`; scores of 1e4 do not overflow.

    `dtype` is what the input is converted to first. A `dim` must be given: PyTorch guesses one
    where it is left out of ``functional.log_softmax``, with a warning.
    """
    return _log_softmax("log_softmax", input, dim, dtype)


@tensor_method()
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(input) / Σ exp(input) along `dim`: positive, and 1 in sum.

    `dtype` and `dim` as in `log_softmax`.
    """
    return Exp()(_log_softmax("softmax", input, dim, dtype))


def _elementwise(where: str, gate: UnaryGate, input: Tensor, inplace: bool) -> Any:
    require_float(where, input)
    return update(where, input, gate) if inplace else gate(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where positive, negative_slope * input elsewhere; the gradient at 0 is the slope."""
    return _elementwise("leaky_relu", gates.LeakyRelu(negative_slope), input, inplace)


@tensor_method()
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, weight * input elsewhere, with a weight that is learned.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...) or any
    weight : Tensor, shape (1,) or () for one slope, (C,) for one per channel

    Raises
    ------
    ValueError
        A weight whose length is neither 1 nor that of dimension 1.
    TypeError
        No floats, or two dtypes.
    """
    require_float("prelu", input, weight)
    if input.dtype != weight.dtype:
        raise TypeError(f"prelu: input is {input.dtype} but weight {weight.dtype}")
    if weight.ndim > 1:
        raise ValueError(f"prelu: weight must have shape (C,), (1,) or (), got {weight.shape}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise ValueError(
                f"prelu: weight {weight.shape} has {weight.numel()} slopes but input "
                f"{input.shape} has {channels} channels"
            )
        weight = weight.reshape(1, -1, *(1,) * (input.ndim - 2))
    elif weight.ndim:
        weight = weight.reshape(())
    return gates.Prelu()(input, weight)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere."""
    return _elementwise("elu", gates.Elu(alpha), input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu with the scale and alpha that keep mean 0 and variance 1 through deep networks."""
    return _elementwise("selu", gates.Elu(_SELU_ALPHA, _SELU_SCALE), input, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, alpha * (exp(input / alpha) - 1) elsewhere: smooth at 0 for any alpha.

    Raises
    ------
    ValueError
        An alpha of 0.
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0, since input is divided by it")
    return _elementwise("celu", gates.Elu(alpha, 1.0, alpha), input, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input times the standard normal distribution function of input.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "none" uses the error function, "tanh" the authors' approximation by a tanh.

    Raises
    ------
    ValueError
        Another `approximate`.
    """
    require_float("gelu", input)
    if approximate == "none":
        return gates.Gelu()(input)
    if approximate == "tanh":
        return gates.GeluTanh()(input)
    raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input), also called swish."""
    return _elementwise("silu", gates.Silu(), input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input))."""
    return _elementwise("mish", gates.Mish(), input, inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, and input itself where beta * input > threshold."""
    require_float("softplus", input)
    return gates.Softplus(beta, threshold)(input)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)."""
    return gates.Softsign()(float_tensor(input, "softsign"))


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """input limited to [min_val, max_val]; the gradient at both ends is 0.

    Raises
    ------
    ValueError
        min_val above max_val.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    return _elementwise("hardtanh", gates.Hardtanh(min_val, max_val), input, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """input limited to [0, 6]; the gradient at both ends is 0."""
    return _elementwise("relu6", gates.Relu6(), input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * relu6(input + 3) / 6."""
    return _elementwise("hardswish", gates.Hardswish(), input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(input + 3) / 6."""
    return _elementwise("hardsigmoid", gates.Hardsigmoid(), input, inplace)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), without overflow."""
    require_float("logsigmoid", input)
    return gates.LogSigmoid()(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above `threshold`, `value` elsewhere."""
    return _elementwise("threshold", gates.Threshold(threshold, value), input, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of input along `dim` times the sigmoid of the second.

    Raises
    ------
    ValueError
        An odd length.
    """
    require_float("glu", input)
    axis = dim_index("glu", dim, input.ndim)
    length = input.shape[axis] if input.ndim else 1
    if length % 2:
        raise ValueError(f"glu: dimension {dim} of input {input.shape} is odd: {length}")
    first, second = (
        (slice(None),) * axis + (part,) for part in (slice(length // 2), slice(length // 2, None))
    )
    return mul(input[first], sigmoid(input[second]))


def maxout(input: Tensor, pieces: int, dim: int = 1) -> Tensor:
    """The largest of each `pieces` consecutive channels.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...)
    pieces : int
        How many channels compete; C is a multiple of it.
    dim : int
        The dimension of the channels.

    Returns
    -------
    Tensor, shape (N, C / pieces, ...)

    Raises
    ------
    ValueError
        A number of channels that `pieces` does not divide.

    Notes
    -----
    Of equals the first gets the gradient, as in max pooling.

    References
    ----------
    Goodfellow et al. 2013, "Maxout networks".
    """
    axis = dim_index("maxout", dim, input.ndim)
    shape = input.shape
    if pieces < 1 or not shape or shape[axis] % pieces:
        raise ValueError(f"maxout: {pieces} pieces do not divide dimension {dim} of input {shape}")
    grouped = input.reshape(*shape[:axis], shape[axis] // pieces, pieces, *shape[axis + 1 :])
    return grouped.max(axis + 1).values
