"""How near vectors are to each other, and vectors made one long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.functional.choice import clamp
from tinygrad_cv.functional.loss_reduction import floats_of
from tinygrad_cv.functional.methods import dim_index, require_float
from tinygrad_cv.functional.norms import vector_norm
from tinygrad_cv.functional.shape import broadcast_tensors

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (|x1| |x2|) along `dim`: 1 for one direction, -1 for opposite ones.

    Parameters
    ----------
    x1, x2 : Tensor, broadcast
    eps : float
        The least length that is divided by.

    Raises
    ------
    ValueError
        Shapes that do not broadcast.
    IndexError
        A dimension that they do not have.
    """
    x1, x2 = floats_of("cosine_similarity", x1=x1, x2=x2)
    x1, x2 = broadcast_tensors(x1, x2)
    axis = dim_index("cosine_similarity", dim, x1.ndim)
    lengths = [clamp(vector_norm(x, 2, axis, True), eps) for x in (x1, x2)]
    return ((x1 / lengths[0]) * (x2 / lengths[1])).sum(axis)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension.

    Parameters
    ----------
    x1, x2 : Tensor, shape (N, D) or (D,), broadcast
    p : float
        1 for the sum of the differences, 2 for the Euclidean distance, inf for the largest.
    eps : float
        Added to every difference.

    Raises
    ------
    ValueError
        Shapes that do not broadcast.
    """
    x1, x2 = floats_of("pairwise_distance", x1=x1, x2=x2)
    x1, x2 = broadcast_tensors(x1, x2)
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """input / max(|input|, eps), the p-norm taken along `dim`.

    Raises
    ------
    TypeError
        No floats.
    IndexError
        A dimension that the tensor does not have.
    """
    require_float("normalize", input)
    return input / clamp(vector_norm(input, p, dim, True), eps).expand_as(input)
