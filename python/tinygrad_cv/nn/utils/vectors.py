"""All parameters as one vector, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import functional as F
from tinygrad_cv.engine import memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tinygrad_cv.engine.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The parameters' values in one vector, one after the other; part of the graph."""
    return F.cat([param.reshape(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector's values into the parameters, one after the other.

    Raises
    ------
    ValueError
        A vector of another length.
    """
    params = list(parameters)
    needed = sum(param.numel() for param in params)
    if vec.shape != (needed,):
        raise ValueError(
            f"vector_to_parameters: vec has shape {vec.shape} but the parameters have {needed} "
            "elements"
        )
    at = 0
    for param in params:
        param.array[...] = vec.array[at : at + param.numel()].reshape(param.shape)
        memory.wrote(param.array)
        at += param.numel()
