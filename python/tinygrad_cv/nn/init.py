"""Starting values, written into tensors in place. Each function returns its tensor.

A layer y = W x keeps the variance of its input when Var(w) = 1 / fan_in, and that of the gradient
when Var(w) = 1 / fan_out. fan_in is the number of inputs that an output sums over: the columns of a
Linear's weight; input channels times kernel area of a Conv2d's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.random import Generator, default_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinygrad_cv.engine.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

# The factor by which a nonlinearity shrinks the standard deviation, inverted. tanh and SELU are
# PyTorch's numbers: 5/3 by experience, 3/4 so that SELU layers stay stable.
_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation that makes up for a nonlinearity.

    Parameters
    ----------
    nonlinearity : str
        "linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
    param : float, optional
        The negative slope of "leaky_relu"; default 0.01.

    Raises
    ------
    ValueError
        Another name.

    References
    ----------
    He et al. 2015, "Delving deep into rectifiers", eq. 10 and 15.

    Examples
    --------
    >>> calculate_gain("leaky_relu", 0.2)
    1.38675...
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, (*_GAINS, "leaky_relu")))
        raise ValueError(f"calculate_gain: nonlinearity must be {known}, got {nonlinearity!r}")
    return _GAINS[nonlinearity]


# Without regard to shape


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform random numbers in [a, b)."""
    if a > b:
        raise ValueError(f"uniform_: a must be at most b, got a={a}, b={b}")
    values = _draw(tensor, _numpy(generator).random)
    values *= b - a
    values += a
    return _write(tensor, values)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal random numbers."""
    if std < 0:
        raise ValueError(f"normal_: std must be at least 0, got {std}")
    values = _draw(tensor, _numpy(generator).standard_normal)
    values *= std
    values += mean
    return _write(tensor, values)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal random numbers, of which those outside [a, b] are drawn again.

    `a` and `b` are values, not multiples of `std`.

    Raises
    ------
    ValueError
        a is not below b, or std is not above 0.
    """
    if not a < b:
        raise ValueError(f"trunc_normal_: a must be below b, got a={a}, b={b}")
    if not std > 0:
        raise ValueError(f"trunc_normal_: std must be above 0, got {std}")
    low, high = (a - mean) / std, (b - mean) / std
    values = _truncated_normal(tensor.array.size, low, high, _numpy(generator))
    values *= std
    values += mean
    np.clip(values, a, b, out=values)  # rounding can lead a hair outside
    return _write(tensor, values.reshape(tensor.shape))


def _truncated_normal(
    count: int, low: float, high: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Standard normal numbers in [low, high] by rejection.

    Far out in a tail hardly any normal draw would fall into the interval; there the draws are
    uniform and kept with the probability density, relative to its peak in the interval
    (Robert 1995, "Simulation of truncated normal variables", section 2.2).
    """
    peak = min(max(0.0, low), high)
    inside = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    from_uniform = inside < 0.1
    if from_uniform:  # beyond, the density is below e^-40 of its peak
        reach = math.sqrt(peak**2 + 80)
        low, high = max(low, -reach), min(high, reach)
    out = np.empty(count)
    missing = np.arange(count)
    while missing.size:
        if from_uniform:
            draws = rng.uniform(low, high, missing.size)
            kept = rng.random(missing.size) <= np.exp((peak**2 - draws**2) / 2)
        else:
            draws = rng.standard_normal(missing.size)
            kept = (draws >= low) & (draws <= high)
        out[missing[kept]] = draws[kept]
        missing = missing[~kept]
    return out


def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return _write(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return _write(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros: what biases start from, since the weights already break the symmetry."""
    return _write(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix, zeros elsewhere: a Linear that passes its input on."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: tensor must have 2 dimensions, got shape {tensor.shape}")
    return _write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight that passes its input channels on.

    Output channel i of each group is input channel i, as far as there are any.

    Raises
    ------
    ValueError
        Not 3 to 5 dimensions, or output channels that are no multiple of `groups`.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: tensor must have 3 to 5 dimensions, got shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(
            f"dirac_: {tensor.shape[0]} output channels are not a multiple of groups={groups}"
        )
    values = np.zeros(tensor.shape)
    per_group = tensor.shape[0] // groups
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for i in range(min(per_group, tensor.shape[1])):
            values[group * per_group + i, i][centre] = 1
    return _write(tensor, values)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """A matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    Dimensions beyond the first count as one.

    References
    ----------
    Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks".
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: tensor must have at least 2 dimensions, got shape {tensor.shape}"
        )
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    tall = _numpy(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diagonal(r))  # makes the distribution uniform (Mezzadri 2007)
    q *= gain
    return _write(tensor, (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal numbers, with the share `sparsity` of each column set to zero.

    References
    ----------
    Martens 2010, "Deep learning via Hessian-free optimization".
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: tensor must have 2 dimensions, got shape {tensor.shape}")
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError(f"sparse_: sparsity must be in [0, 1], got {sparsity}")
    rng = _numpy(generator)
    rows, columns = tensor.shape
    values = rng.standard_normal((rows, columns)) * std
    order = rng.permuted(np.tile(np.arange(rows)[:, None], columns), axis=0)
    dropped = order[: math.ceil(sparsity * rows)]
    np.put_along_axis(values, dropped, 0.0, axis=0)
    return _write(tensor, values)


# By fan


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None, *, fan: str = "average"
) -> Tensor:
    """Uniform numbers whose variance keeps that of signals; see `xavier_normal_`."""
    return _uniform_of_std(tensor, _xavier_std("xavier_uniform_", tensor, gain, fan), generator)


def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None, *, fan: str = "average"
) -> Tensor:
    """Normal numbers whose variance keeps that of signals.

    Parameters
    ----------
    tensor : Tensor, at least 2 dimensions
    gain : float
        Factor on the standard deviation, from `calculate_gain`.
    generator : Generator, optional
        Default: the one that `manual_seed` seeds.
    fan : {"average", "in"}
        "average": variance 2 / (fan_in + fan_out), a compromise between forward and backward
        pass, as in PyTorch. "in": variance 1 / fan_in, the form of the classical text.

    Raises
    ------
    ValueError
        Fewer than 2 dimensions, or another `fan`.

    References
    ----------
    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks", eq. 12 and 16.
    """
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain, fan), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers that make up for rectifiers; see `kaiming_normal_`."""
    return _uniform_of_std(
        tensor, _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity), generator
    )


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers of standard deviation gain / sqrt(fan): He's, 2 / fan_in for ReLU.

    Parameters
    ----------
    tensor : Tensor, at least 2 dimensions
    a : float
        Negative slope of the leaky ReLU that follows; 0 is ReLU.
    mode : {"fan_in", "fan_out"}
        Whether to keep the variance forward or backward.
    nonlinearity : str
        As `calculate_gain` knows it.
    generator : Generator, optional
        Default: the one that `manual_seed` seeds.

    Raises
    ------
    ValueError
        Fewer than 2 dimensions, or another mode.

    References
    ----------
    He et al. 2015, "Delving deep into rectifiers".
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Uniform numbers of variance 1 / fan_in (LeCun et al. 1998, "Efficient BackProp")."""
    return _uniform_of_std(tensor, _xavier_std("lecun_uniform_", tensor, 1.0, "in"), generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Normal numbers of variance 1 / fan_in (LeCun et al. 1998); what SELU networks start from."""
    return normal_(tensor, 0.0, _xavier_std("lecun_normal_", tensor, 1.0, "in"), generator)


def fans(where: str, tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, ...)."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(f"{where}: fans need at least 2 dimensions, got shape {shape}")
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def _xavier_std(where: str, tensor: Tensor, gain: float, fan: str) -> float:
    fan_in, fan_out = fans(where, tensor)
    if fan not in ("average", "in"):
        raise ValueError(f"{where}: fan must be 'average' or 'in', got {fan!r}")
    count = fan_in if fan == "in" else (fan_in + fan_out) / 2
    return gain / math.sqrt(count) if count else 0.0


def _kaiming_std(where: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan_in, fan_out = fans(where, tensor)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{where}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    count = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(count) if count else 0.0


def _uniform_of_std(tensor: Tensor, std: float, generator: Generator | None) -> Tensor:
    bound = math.sqrt(3) * std  # the variance of [-b, b] is b^2 / 3
    return uniform_(tensor, -bound, bound, generator)


# Drawing and writing


def _numpy(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).numpy


def _draw(tensor: Tensor, draw: Callable[..., Any]) -> NDArray[Any]:
    """Draws in the tensor's precision; in float32 if NumPy cannot."""
    dtype = tensor.dtype if tensor.dtype in (np.float32, np.float64) else np.float32
    values: NDArray[Any] = np.asarray(draw(tensor.shape, dtype=dtype))
    return values


def _write(tensor: Tensor, values: Any) -> Tensor:
    tensor.array[...] = np.asarray(values, like=tensor.array)
    memory.wrote(tensor.array)
    return tensor
