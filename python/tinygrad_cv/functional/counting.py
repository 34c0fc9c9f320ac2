"""How often values occur; results are integers, and nothing has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.methods import dim_index, tensor_method


@tensor_method()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often 0, 1, 2, … occur in a vector of integers, or the sums of their `weights`.

    Parameters
    ----------
    input : Tensor, shape (N,), integer
        Numbers >= 0.
    weights : Tensor, shape (N,), optional
    minlength : int
        The least length of the result, which otherwise ends with the largest number.

    Returns
    -------
    Tensor, int64; with `weights` float64, or float32 where they are that

    Raises
    ------
    TypeError
        No integers.
    ValueError
        Another shape, a number below 0, or weights of another length.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> tg.bincount(tg.tensor([0, 2, 2]), minlength=4)
    tensor([1, 0, 2, 0])
    """
    array = input.array
    if array.dtype.kind not in "iu":
        raise TypeError(f"bincount: expected integers, got {input.dtype}")
    smallest = int(array.min()) if array.size else 0
    if array.ndim != 1 or smallest < 0:
        raise ValueError(
            f"bincount: input must be a vector of numbers >= 0, got shape {input.shape} and "
            f"smallest {smallest}"
        )
    if weights is None:
        return wrap(np.bincount(array, minlength=minlength))
    if weights.shape != input.shape:
        raise ValueError(f"bincount: weights have shape {weights.shape} but input {input.shape}")
    dtype = np.float32 if weights.dtype == np.float32 else np.float64
    return wrap(np.bincount(array, weights.array, minlength).astype(dtype, copy=False))


@tensor_method()
def unique(
    input: Tensor,
    sorted: bool = True,  # noqa: ARG001
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in order; with `dim` the different slices along it.

    Parameters
    ----------
    sorted : bool
        Here the result always is.
    return_inverse : bool
        Also where in the result each element is.
    return_counts : bool
        Also how often each occurs.

    Returns
    -------
    Tensor, or a tuple of two or three

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> tg.unique(tg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    axis = None if dim is None else dim_index("unique", dim, input.ndim)
    # NaN equals nothing, itself neither, as in PyTorch.
    values, inverse, counts = np.unique(
        input.array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(-1 if axis is not None else input.shape)
    wanted = [values, *[inverse] * return_inverse, *[counts] * return_counts]
    out = tuple([wrap(x) for x in wanted])
    return out if len(out) > 1 else out[0]
