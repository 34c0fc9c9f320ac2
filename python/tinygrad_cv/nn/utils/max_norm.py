"""A limit on weights: no output unit's incoming weights may grow beyond a length."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.masking import maybe_any
from tinygrad_cv.nn.conv import Conv1d, Conv2d
from tinygrad_cv.nn.linear import Linear

if TYPE_CHECKING:
    from tinygrad_cv.nn.module import Module
    from tinygrad_cv.nn.parameter import Parameter

M = TypeVar("M", bound="Module")


def max_norm_(module: M, c: float = 3.0) -> M:
    """Scale each output unit's incoming weights back to Euclidean length `c` where they exceed it.

    Call it after each update. A unit's weights are a row of a Linear layer, a filter of a
    convolution; biases stay as they are, and so does an optimizer's momentum.

    Parameters
    ----------
    module : Module
        A layer, or a network whose layers are all taken.
    c : float
        Typically 3 or 4.

    Returns
    -------
    Module
        The module itself.

    Raises
    ------
    ValueError
        A length of 0 or less.

    References
    ----------
    CS231n notes, "Neural networks part 2", section on regularization.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> layer = tg.nn.Linear(2, 2)
    >>> _ = layer.load_state_dict({"weight": tg.tensor([[3.0, 4.0], [0.3, 0.4]])}, strict=False)
    >>> max_norm_(layer, c=1.0).weight.tolist()
    [[0.6..., 0.8...], [0.3..., 0.4...]]
    """
    if not c > 0:
        raise ValueError(f"max_norm_: c must be above 0, got {c}")
    for part in module.modules():
        if isinstance(part, (Linear, Conv1d, Conv2d)):
            _limit_rows(part.weight, c)
    return module


def _limit_rows(weight: Parameter, c: float) -> None:
    array = weight.array
    rows = array.reshape(array.shape[0], -1)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not maybe_any(lengths > c):
        return
    factors = c / np.maximum(lengths, c)
    array *= factors.reshape(-1, *[1] * (array.ndim - 1)).astype(array.dtype, copy=False)
    memory.wrote(array)
