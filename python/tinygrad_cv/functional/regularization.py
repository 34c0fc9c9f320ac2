"""Functions that act differently while training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.device import on_gpu
from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.arithmetic import mul
from tinygrad_cv.functional.creation import zeros_like
from tinygrad_cv.functional.inplace import update
from tinygrad_cv.gates.dropout import Dropout

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by 1 - p.

    Parameters
    ----------
    input : Tensor, any shape
    p : float
        Probability to drop (the classical text's p is the one to keep).
    training : bool
        Otherwise the input is returned as it is.
    inplace : bool
        Write the result over the input.
    generator : Generator, optional
        Default: the one that `manual_seed` seeds.

    Raises
    ------
    ValueError
        A probability outside [0, 1].

    References
    ----------
    Srivastava et al. 2014; the division while training ("inverted dropout") is CS231n's.
    """
    _check_p("dropout", p)
    if not training or p == 0.0:
        return input
    dtype = input.array.dtype
    if p < 1.0 and dtype.char in "fd":
        gate = Dropout(_draws(input.array, dtype, generator), p)
        return update("dropout", input, gate) if inplace else gate(input)
    mask = _mask(input, p, generator)
    return update("dropout", input, mul, mask) if inplace else mul(input, mask)


def _draws(array: Any, dtype: Any, generator: Generator | None) -> Any:
    """Numbers in [0, 1), one for each element; for a GPU a key with which it draws by itself."""
    source = (generator or default_generator).numpy
    if on_gpu(array):
        return int(source.integers(2**63))
    return source.random(array.shape, dtype=dtype)


def _mask(input: Tensor, p: float, generator: Generator | None) -> Tensor:
    """What is multiplied with: 0 with probability `p`, else 1 / (1 - p)."""
    if p == 1.0:
        return zeros_like(input)
    draws = _draws(input.array, np.float32, generator)
    if on_gpu(input.array):
        ones = np.ones_like(input.array, np.float32)
        return wrap(Dropout(draws, p)(ones).astype(input.dtype, copy=False))
    mask = (draws >= p).astype(input.dtype)
    mask /= 1.0 - p
    return wrap(mask)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """As `dropout`, but whole channels at once: neighbouring pixels say the same anyway.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    p, training, inplace, generator
        As `dropout`.

    Raises
    ------
    ValueError
        A probability outside [0, 1], or another number of dimensions.

    References
    ----------
    Tompson et al. 2015, "Efficient object localization using convolutional networks".
    """
    return _drop_channels("dropout2d", 2, input, p, training, inplace, generator)


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """As `dropout2d`, for rows (N, C, L) or (C, L)."""
    return _drop_channels("dropout1d", 1, input, p, training, inplace, generator)


def _drop_channels(
    where: str,
    dims: int,
    input: Tensor,
    p: float,
    training: bool,
    inplace: bool,
    generator: Generator | None,
) -> Tensor:
    if input.ndim not in (dims + 1, dims + 2):
        expected = "(N, C, L) or (C, L)" if dims == 1 else "(N, C, H, W) or (C, H, W)"
        raise ValueError(f"{where}: input must have shape {expected}, got {input.shape}")
    _check_p(where, p)
    if not training or p == 0.0:
        return input
    channels = wrap(np.empty((*input.shape[:-dims], *[1] * dims), input.dtype, like=input.array))
    mask = _mask(channels, p, generator)
    return update(where, input, mul, mask) if inplace else mul(input, mask)


def alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 of what `selu` gives.

    Parameters
    ----------
    input, p, training, inplace, generator
        As `dropout`.

    Raises
    ------
    ValueError
        A probability outside [0, 1].

    Notes
    -----
    Dropped elements become -alpha scale = -1.7581; then all are scaled and moved so that mean and
    variance stay.

    References
    ----------
    Klambauer et al. 2017, "Self-normalizing neural networks".
    """
    _check_p("alpha_dropout", p)
    if not training or p == 0.0:
        return input
    saturated = -1.7580993408473766
    a = 0.0 if p == 1.0 else ((1 - p) * (1 + p * saturated**2)) ** -0.5
    kept = _mask(input, p, generator).array != 0
    slope = wrap((kept * a).astype(input.dtype))
    shift = wrap((a * saturated * (~kept - p)).astype(input.dtype))

    def mapped(x: Tensor) -> Tensor:
        return x * slope + shift

    return update("alpha_dropout", input, mapped) if inplace else mapped(input)


def _check_p(where: str, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{where}: p is the probability to drop, in [0, 1], got {p}")
