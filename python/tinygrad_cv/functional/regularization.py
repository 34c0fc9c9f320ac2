"""Functions that act differently while training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv.engine.random import Generator, default_generator
from tinygrad_cv.engine.tensor import wrap
from tinygrad_cv.functional.arithmetic import mul
from tinygrad_cv.functional.creation import zeros_like
from tinygrad_cv.functional.inplace import update

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
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is the probability to drop, in [0, 1], got {p}")
    if not training or p == 0.0:
        return input
    mask = _mask(input, p, generator)
    return update("dropout", input, mul, mask) if inplace else mul(input, mask)


def _mask(input: Tensor, p: float, generator: Generator | None) -> Tensor:
    """What is multiplied with: 0 with probability `p`, else 1 / (1 - p)."""
    if p == 1.0:
        return zeros_like(input)
    draws = (generator or default_generator).numpy.random(input.shape, dtype="float32")
    mask = (draws >= p).astype(input.dtype)
    mask /= 1.0 - p
    return wrap(mask)
