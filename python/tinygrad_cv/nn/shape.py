"""Layers that move values without changing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import functional as F
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


class Flatten(Module):
    """Dimensions `start_dim` to `end_dim` as one: (N, C, H, W) becomes (N, C H W).

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> Flatten()(tg.zeros(2, 3, 4, 4)).shape
    (2, 48)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
